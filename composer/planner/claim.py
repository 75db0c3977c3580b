"""What only one container of the host can hold: published ports and static addresses.

A container that takes one over must start after the former holder is gone, whatever their services
have to do with each other (a renamed service, ports that changed places).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.model.container import ContainerSpec, NetworkMembership, ObservedContainer
    from composer.model.stack import PublishedPort

_EVERY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 -- compared, not bound


@attrs.frozen(kw_only=True)
class Claims:
    """The ports and (network, address) pairs that a container holds or wants."""

    ports: frozenset[PublishedPort]
    addresses: frozenset[tuple[str, str]]

    def collides_with(self, other: Claims) -> bool:
        """Whether both cannot hold what they claim at the same time."""
        if self.addresses & other.addresses:
            return True
        return any(_is_same_port(mine, theirs) for mine in self.ports for theirs in other.ports)


def wanted_by(spec: ContainerSpec) -> Claims:
    """What a container will insist on; random ports and leased addresses give way by themselves."""
    return Claims(ports=_fixed(spec.ports), addresses=_static(spec.networks))


def held_by(container: ObservedContainer) -> Claims:
    """What a container has until it is removed, random ports included."""
    return Claims(
        ports=_fixed((*container.ports, *container.spec.ports)), addresses=_static(container.spec.networks)
    )


def _fixed(ports: Iterable[PublishedPort]) -> frozenset[PublishedPort]:
    return frozenset(port for port in ports if port.is_settled)


def _static(networks: Mapping[str, NetworkMembership]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (name, address)
        for name, membership in networks.items()
        for address in (membership.ipv4_address, membership.ipv6_address)
        if address
    )


def _is_same_port(one: PublishedPort, other: PublishedPort) -> bool:
    if (one.published, one.protocol) != (other.published, other.protocol):
        return False
    return one.host_ip == other.host_ip or bool(_EVERY_ADDRESS & {one.host_ip, other.host_ip})
