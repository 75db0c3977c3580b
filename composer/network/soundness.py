"""Whether the kernel has what a network needs of it, in words for the plan; and letting it forward."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from composer.host import netlink, sysctl
from composer.model import driveroptions
from composer.network import attachment, links
from composer.network.leases import NetworkLease

FORWARD = "net/ipv4/ip_forward"
FORWARD6 = "net/ipv6/conf/all/forwarding"


def let_forward(lease: NetworkLease) -> None:
    """Let the host forward; where that would stop it from hearing routers, it goes on (``accept_ra`` 2)."""
    if lease.subnet:
        sysctl.write(FORWARD, "1")
    if not lease.subnet6 or sysctl.read(FORWARD6) == "1":
        return
    for place in Path("/proc/sys/net/ipv6/conf").iterdir():
        name = f"net/ipv6/conf/{place.name}"
        if sysctl.read(f"{name}/accept_ra") == "1":
            sysctl.write_if_known(f"{name}/accept_ra", "2")
    sysctl.write(FORWARD6, "1")


def of_link(lease: NetworkLease, link: netlink.Link | None, here: Collection[tuple[int, str]]) -> str:
    """What its bridge lacks; ``here`` are the host's addresses with the index of their interfaces."""
    if link is None or not links.is_ours(link, lease.bridge):
        return f"its bridge {lease.bridge} is gone"
    if not link.is_up:
        return f"its bridge {lease.bridge} is down"
    for address, _prefix in attachment.bridge_of(lease).own:
        if (link.index, address) not in here:
            return f"its bridge {lease.bridge} lost address {address}"
    return ""


def of_forwarding(lease: NetworkLease) -> str:
    """Which switch of the host keeps its packets from leaving."""
    if lease.subnet and sysctl.read(FORWARD) != "1":
        return "forwarding is switched off (net.ipv4.ip_forward)"
    if lease.subnet6 and sysctl.read(FORWARD6) != "1":
        return "forwarding is switched off (net.ipv6.conf.all.forwarding)"
    return ""


def of_parent(lease: NetworkLease, present: Collection[str]) -> str:
    """Whether the interface that it is slices of is among those that are there."""
    parent = driveroptions.parent_options(lease.spec.driver, lease.spec.driver_opts).parent
    return "" if parent in present else f"its interface {parent} is gone"
