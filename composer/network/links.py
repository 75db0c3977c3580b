"""Bridges and the pairs that attach containers, as the driver wants them; only links that are ours.

Names are derived (``model.names``), so a link of our name is ours, or, once in a while, somebody
else's.  Ours carry the group that is derived from their bridge; any other is left alone.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Sequence

import attrs

from composer import errors
from composer.host import netlink, sysctl
from composer.network import addresses

ALIAS = "composer"


@attrs.frozen(kw_only=True)
class Plug:
    """One attachment: ``link`` on the host, ``interface`` with ``address`` in the container.

    ``master`` is the index of the bridge; 0 for a pair without one, whose host end then carries
    ``own_address``.
    """

    link: str
    group: int
    interface: str
    address: str
    prefix: int
    alias: str
    master: int = 0
    own_address: str = ""


def group_of(bridge: str) -> int:
    """The link group of a bridge and everything on it: 31 bits, never one that a human would use."""
    digest = hashlib.sha256(f"composer/group/{bridge}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1 | 1 << 30


def is_ours(link: netlink.Link, bridge: str) -> bool:
    """Whether we made this link for that bridge."""
    return link.group == group_of(bridge)


def ensure_bridge(kernel: netlink.Netlink, bridge: str, gateway: str, prefix: int, alias: str) -> int:
    """Make a bridge with its address, up; repairs what is there.  Returns its index.

    Raises ``ConflictError`` when a link of that name is not ours.
    """
    link = kernel.link(bridge)
    if link is None:
        request = netlink.create_bridge(bridge, group=group_of(bridge), mac=addresses.mac_of(gateway))
        kernel.change([request], tolerate=[errno.EEXIST])
        link = kernel.link(bridge)
    if link is None or not is_ours(link, bridge) or link.kind != "bridge":
        message = f"a network interface {bridge} exists that composer did not make"
        raise errors.ConflictError(message, hint=f"Rename or remove it (`ip link show {bridge}`).")
    sysctl.write_if_known(f"net/ipv6/conf/{bridge}/disable_ipv6", "1")
    kernel.change(
        [
            netlink.add_address(link.index, gateway, prefix, f"address {gateway} of bridge {bridge}"),
            netlink.set_up(bridge, alias=alias),
        ]
    )
    return link.index


def plug(kernel: netlink.Netlink, plugs: Sequence[Plug], namespace: int) -> None:
    """Make the pairs, peers in ``namespace`` (a descriptor); a stale pair of the same name goes first.

    ``kernel`` is a socket of the host's namespace; the calling thread may be in any.
    """
    for one in plugs:
        request = netlink.create_veth(
            one.link,
            group=one.group,
            master=one.master,
            peer=one.interface,
            peer_mac=addresses.mac_of(one.address),
            namespace=namespace,
        )
        if kernel.change([request], tolerate=[errno.EEXIST])[0]:
            clear(kernel, one)
            kernel.change([request])
        is_port = one.master != 0
        kernel.change(
            [netlink.set_up(one.link, alias=one.alias, without_ipv6=_has_ipv6(), is_hairpin=is_port)]
        )
        if one.own_address:
            link = kernel.link(one.link)
            index = link.index if link else 0
            what = f"address {one.own_address} of {one.link}"
            kernel.change([netlink.add_address(index, one.own_address, one.prefix, what)])


def clear(kernel: netlink.Netlink, plugged: Plug) -> None:
    """Delete what a former life of the container left under this name; idempotent."""
    link = kernel.link(plugged.link)
    if link is None:
        return
    if link.group != plugged.group:
        message = f"a network interface {plugged.link} exists that composer did not make"
        raise errors.ConflictError(message, hint=f"Rename or remove it (`ip link show {plugged.link}`).")
    kernel.change([netlink.delete_link(plugged.link)], tolerate=[errno.ENODEV])


def _has_ipv6() -> bool:
    return sysctl.read("net/ipv6/conf/default/disable_ipv6") is not None


def configure_inside(plugs: Sequence[Plug], gateway: str | None, *, is_new: bool) -> None:
    """Addresses and the default route; must run in a thread inside the container's namespace."""
    with netlink.Netlink() as inside:
        requests = [netlink.set_up("lo")] if is_new else []
        for one in plugs:
            what = f"address {one.address} of {one.interface}"
            index = netlink.index_of(one.interface)
            requests.append(netlink.add_address(index, one.address, one.prefix, what))
            requests.append(netlink.set_up(one.interface))
        if gateway is not None:
            requests.append(netlink.add_default_route(gateway, f"default route by {gateway}"))
        inside.change(requests)


def prepare_namespace() -> None:
    """What Docker sets in a fresh namespace: no IPv6 but on lo, low ports and ping for every user.

    Must run inside the namespace before links arrive.
    """
    sysctl.write_if_known("net/ipv6/conf/default/disable_ipv6", "1")
    sysctl.write_if_known("net/ipv4/ip_unprivileged_port_start", "0")
    sysctl.write_if_known("net/ipv4/ping_group_range", "0\t2147483647")


def remove_network(kernel: netlink.Netlink, bridge: str) -> None:
    """Delete a bridge and whatever is still on it, in one grace period; idempotent."""
    kernel.change(
        [netlink.delete_group(group_of(bridge), f"links of bridge {bridge}")], tolerate=[errno.ENODEV]
    )
