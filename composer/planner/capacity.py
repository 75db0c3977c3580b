"""Whether the containers that a plan leaves fit into the addresses of their networks.

Checked before anything changes: a stack that cannot come up whole is told so while it is still whole.
Only networks with a declared subnet are counted; an automatic one holds more than a bridge has ports.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

from composer import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.model.container import NetworkSpec
    from composer.model.stack import Pool


def refuse_overfull(specs: Iterable[NetworkSpec], members: Iterable[Mapping[str, object]]) -> None:
    """Raise ``ConflictError`` for a network that more containers join than it has addresses.

    ``members`` are the networks of each container that there will be.
    """
    counts = Counter(name for networks in members for name in networks)
    for spec in specs:
        for pool in spec.pools:
            room = room_in(pool)
            if room is not None and counts[spec.name] > room:
                message = (
                    f"network {spec.name}: {counts[spec.name]} containers need an address,"
                    f" {pool.ip_range or pool.subnet} has {room}"
                )
                raise errors.ConflictError(message, hint="Declare a larger subnet for it, or fewer replicas.")


def room_in(pool: Pool) -> int | None:
    """How many containers a declared subnet holds; ``None`` for one that is chosen later."""
    if pool.subnet is None:
        return None
    subnet = ipaddress.ip_network(pool.subnet, strict=False)
    first, last = int(subnet.network_address) + 1, int(subnet.broadcast_address)
    last -= subnet.version == 4  # IPv6 has no broadcast address
    gateway = int(ipaddress.ip_address(pool.gateway)) if pool.gateway else first
    if pool.ip_range is not None:
        part = ipaddress.ip_network(pool.ip_range, strict=False)
        first = max(first, int(part.network_address))
        last = min(last, int(part.broadcast_address))
    reserved = {gateway, *(int(ipaddress.ip_address(address)) for address in pool.aux_addresses.values())}
    return max(0, last - first + 1 - sum(first <= number <= last for number in reserved))
