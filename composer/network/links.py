"""Bridges and the interfaces that attach containers, as the driver wants them; only links that are ours.

Names are derived (``model.names``), so a link of our name is ours, or, once in a while, somebody
else's.  Ours carry the group that is derived from their bridge; any other is left alone.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping, Sequence

import attrs

from composer import errors
from composer.host import netlink, sysctl
from composer.model.driveroptions import MACVLAN
from composer.network import addresses

ALIAS = "composer"


@attrs.frozen(kw_only=True)
class Bridge:
    """One bridge as it should be; ``own`` are the host's (address, prefix) on it."""

    name: str
    alias: str
    mac: bytes
    own: tuple[tuple[str, int], ...] = ()
    mtu: int = 0
    has_ipv6: bool = False


@attrs.frozen(kw_only=True)
class Plug:
    """One attachment: ``interface`` in the container with ``own``, its (address, prefix) of each family.

    ``link`` is the host's end of the pair, on the bridge of index ``master``; 0 for a pair without one,
    whose host end then carries ``host_own``.  ``kind`` other than ``veth`` is a slice of the interface
    ``parent``, which has no end on the host.
    """

    link: str
    group: int
    interface: str
    own: tuple[tuple[str, int], ...]
    mac: bytes
    alias: str
    kind: str = "veth"
    master: int = 0
    parent: str = ""
    mode: str = ""
    flag: str = ""
    mtu: int = 0
    is_isolated: bool = False
    host_own: tuple[str, int] | None = None
    sysctls: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def has_ipv6(self) -> bool:
        """Whether the interface has an IPv6 address."""
        return any(":" in address for address, _ in self.own)


@attrs.frozen(kw_only=True)
class WayOut:
    """Where one family's default route leads: to ``gateway``, or out of ``interface`` where that is ""."""

    version: int
    gateway: str = ""
    interface: str = ""


def group_of(bridge: str) -> int:
    """The link group of a bridge and everything on it: 31 bits, never one that a human would use."""
    digest = hashlib.sha256(f"composer/group/{bridge}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1 | 1 << 30


def is_ours(link: netlink.Link, bridge: str) -> bool:
    """Whether we made this link for that bridge."""
    return link.group == group_of(bridge)


def ensure_bridge(kernel: netlink.Netlink, wanted: Bridge) -> int:
    """Make a bridge with its addresses, up; repairs what is there.  Returns its index.

    Raises ``ConflictError`` when a link of that name is not ours.
    """
    link = kernel.link(wanted.name)
    if link is None:
        request = netlink.create_bridge(
            wanted.name, group=group_of(wanted.name), mac=wanted.mac, mtu=wanted.mtu
        )
        kernel.change([request], tolerate=[errno.EEXIST])
        link = kernel.link(wanted.name)
    if link is None or not is_ours(link, wanted.name) or link.kind != "bridge":
        message = f"a network interface {wanted.name} exists that composer did not make"
        raise errors.ConflictError(message, hint=f"Rename or remove it (`ip link show {wanted.name}`).")
    _settle_ipv6(wanted.name, is_on=wanted.has_ipv6)
    kernel.change(
        [
            *(
                netlink.add_address(link.index, address, prefix, f"address {address} of bridge {wanted.name}")
                for address, prefix in wanted.own
            ),
            netlink.set_up(wanted.name, alias=wanted.alias),
        ]
    )
    return link.index


def plug(kernel: netlink.Netlink, plugs: Sequence[Plug], namespace: int) -> None:
    """Make the links, their ends in ``namespace`` (a descriptor); a stale one of the same name goes first.

    ``kernel`` is a socket of the host's namespace; the calling thread may be in any.
    """
    for one in plugs:
        if one.kind == "veth":
            _plug_pair(kernel, one, namespace)
        else:
            _plug_slice(kernel, one, namespace)


def _plug_pair(kernel: netlink.Netlink, one: Plug, namespace: int) -> None:
    request = netlink.create_veth(
        one.link,
        group=one.group,
        master=one.master,
        peer=one.interface,
        peer_mac=one.mac,
        namespace=namespace,
        mtu=one.mtu,
    )
    if kernel.change([request], tolerate=[errno.EEXIST])[0]:
        clear(kernel, one)
        kernel.change([request])
    is_port = one.master != 0
    up = netlink.set_up(
        one.link, alias=one.alias, without_ipv6=_has_ipv6(), is_hairpin=is_port, is_isolated=one.is_isolated
    )
    kernel.change([up])
    if one.host_own is not None:
        link = kernel.link(one.link)
        index = link.index if link else 0
        address, prefix = one.host_own
        kernel.change([netlink.add_address(index, address, prefix, f"address {address} of {one.link}")])


def _plug_slice(kernel: netlink.Netlink, one: Plug, namespace: int) -> None:
    parent = kernel.link(one.parent)
    if parent is None:
        message = f"network interface {one.parent} does not exist"
        hint = "`ip link` lists the interfaces; VLAN interfaces are made with `ip link add ... type vlan`."
        raise errors.ConflictError(message, hint=hint)
    if one.kind == MACVLAN:
        request = netlink.create_macvlan(
            one.interface, parent=parent.index, mode=one.mode, mac=one.mac, namespace=namespace, mtu=one.mtu
        )
    else:
        request = netlink.create_ipvlan(
            one.interface, parent=parent.index, mode=one.mode, flag=one.flag, namespace=namespace, mtu=one.mtu
        )
    try:
        kernel.change([request])
    except errors.NetworkFailure as error:
        message = f"cannot make a slice of {one.parent}: {error.message}"
        hint = (
            f"The kernel needs the {one.kind} driver (`modprobe {one.kind}`) and an interface that takes it."
        )
        raise errors.HostUnsupported(message, hint=hint) from error


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


def configure_inside(plugs: Sequence[Plug], ways: Sequence[WayOut], *, is_new: bool) -> None:
    """Addresses, sysctls and default routes; must run in a thread inside the container's namespace."""
    with netlink.Netlink() as inside:
        requests = [netlink.set_up("lo")] if is_new else []
        for one in plugs:
            _settle_ipv6(one.interface, is_on=one.has_ipv6)
            index = netlink.index_of(one.interface)
            for address, prefix in one.own:
                what = f"address {address} of {one.interface}"
                requests.append(netlink.add_address(index, address, prefix, what))
            requests.append(netlink.set_up(one.interface))
        requests += [_route(way) for way in ways]
        inside.change(requests)
    for one in plugs:
        for key, value in one.sysctls.items():
            sysctl.write(key.replace(".IFNAME.", f".{one.interface}.").replace(".", "/"), value)


def route_inside(ways: Sequence[WayOut]) -> None:
    """The default routes as they should be, and none of a family without a way out; runs inside."""
    with netlink.Netlink() as inside:
        inside.change([_route(way) for way in ways])
        for version in {4, 6} - {way.version for way in ways}:
            gone = netlink.delete_default_route(version, f"IPv{version} default route")
            inside.change([gone], tolerate=[errno.ESRCH, errno.EAFNOSUPPORT, errno.EOPNOTSUPP])


def _route(way: WayOut) -> netlink.Request:
    if way.gateway:
        return netlink.add_default_route(way.gateway, f"default route by {way.gateway}")
    what = f"default route by {way.interface}"
    return netlink.add_default_link(netlink.index_of(way.interface), version=way.version, what=what)


def _settle_ipv6(interface: str, *, is_on: bool) -> None:
    """IPv6 on an interface or not; ours has the addresses we give it and takes no others' word."""
    place = f"net/ipv6/conf/{interface}"
    if is_on and sysctl.read(f"{place}/disable_ipv6") is None:
        message = "this kernel has no IPv6"
        raise errors.HostUnsupported(message, hint="Take enable_ipv6 out, or boot without ipv6.disable=1.")
    if is_on:
        for name, value in (("accept_ra", "0"), ("accept_dad", "0"), ("disable_ipv6", "0")):
            sysctl.write_if_known(f"{place}/{name}", value)
    else:
        sysctl.write_if_known(f"{place}/disable_ipv6", "1")


def prepare_namespace() -> None:
    """What Docker sets in a fresh namespace: no IPv6 but where wanted, low ports and ping for every user.

    Must run inside the namespace before links arrive.
    """
    sysctl.write_if_known("net/ipv6/conf/default/disable_ipv6", "1")
    sysctl.write_if_known("net/ipv4/ip_unprivileged_port_start", "0")
    sysctl.write_if_known("net/ipv4/ping_group_range", "0\t2147483647")


def unplug_inside(interface: str) -> None:
    """Take an interface out of a running container; runs inside; idempotent."""
    with netlink.Netlink() as inside:
        inside.change([netlink.delete_link(interface)], tolerate=[errno.ENODEV])


def remove_network(kernel: netlink.Netlink, bridge: str) -> None:
    """Delete a bridge and whatever is still on it, in one grace period; idempotent."""
    kernel.change(
        [netlink.delete_group(group_of(bridge), f"links of bridge {bridge}")], tolerate=[errno.ENODEV]
    )


def mac_of(asked: str | None, own: Sequence[tuple[str, int]]) -> bytes:
    """The interface's hardware address: as asked for, else the one that goes with its first address."""
    if asked:
        return bytes.fromhex(asked.replace(":", "").replace("-", ""))
    return addresses.mac_of(own[0][0]) if own else b""
