"""Rules about networks: subnets and what is taken from them, drivers and their options, attachments."""

from __future__ import annotations

import ipaddress
from collections.abc import Generator, Iterator

from composer import errors
from composer.model import driveroptions
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, at, problem

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PREDEFINED = ("host", "none")
"""External networks that every host has: the host's own namespace, and an empty one."""

_EXAMPLES = {
    "subnet": "10.1.2.0/24 or fd00:1:2::/64",
    "range": "10.1.2.128/25",
    "address": "10.1.2.3 or fd00:1:2::3",
}
_OPTIONS = "docs/compatibility.md lists the options that are honoured."


def is_address(text: str, version: int | None = None) -> bool:
    """Whether it is an IP address (of that version), IPv4 without leading zeros."""
    try:
        return ipaddress.ip_address(text).version == (version or ipaddress.ip_address(text).version)
    except ValueError:
        return False


# ------------------------------------------------------------------ networks


def ipam(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """``ipam.config`` of a network: a subnet of each family at most, and what lies inside it."""
    seen: set[int] = set()
    for index, item in enumerate(node.items()):
        version = yield from _pool(item, (*path, index))
        if version in seen:
            message = f"more than one IPv{version} subnet for a network is unsupported"
            yield problem(item, (*path, index), message, hint="A network has one of each family.")
        seen |= {version} if version else set()


def _pool(item: Node, path: Path) -> Generator[errors.Problem, None, int]:
    """Its problems; returns the family that it is about (0: none)."""
    subnet = yield from _network(item, path, "subnet", "subnet")
    version = subnet.version if subnet else 0
    for key in ("gateway", "ip_range"):
        if key == "gateway":
            found: Address | Network | None = yield from _address(item.child(key), (*path, key))
        else:
            found = yield from _network(item, path, key, "range")
        if found is not None:
            yield from _inside(item.child(key), (*path, key), found, subnet)
            version = version or found.version
    reserved = item.child("aux_addresses")
    for name, child in reserved.entries() if reserved is not None else ():
        place = (*path, "aux_addresses", name)
        address = yield from _address(child, place)
        if address is not None:
            yield from _inside(child, place, address, subnet)
    return version


def _network(item: Node, path: Path, key: str, kind: str) -> Generator[errors.Problem, None, Network | None]:
    node = item.child(key)
    if node is None or node.value is None:
        return None
    text = scalar_text(node.value)
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        yield problem(node, (*path, key), f"{text!r} is no {kind}", hint=f"Write it like {_EXAMPLES[kind]}.")
    return None


def _address(
    node: Node | None, path: Path, version: int | None = None
) -> Generator[errors.Problem, None, Address | None]:
    if node is None or node.value is None:
        return None
    text = scalar_text(node.value)
    if is_address(text, version):
        return ipaddress.ip_address(text)
    word = f"IPv{version} address" if version else "address"
    yield problem(node, path, f"{text!r} is no {word}", hint=f"Write it like {_EXAMPLES['address']}.")
    return None


def _inside(
    node: Node | None, path: Path, inner: Address | Network, subnet: Network | None
) -> Iterator[errors.Problem]:
    if node is None or subnet is None or _is_inside(inner, subnet):
        return
    yield problem(node, path, f"{inner} is not in the subnet {subnet}")


def _is_inside(inner: Address | Network, subnet: Network) -> bool:
    first = inner if isinstance(inner, Address) else inner.network_address
    last = inner if isinstance(inner, Address) else inner.broadcast_address
    return first in subnet and last in subnet


def driver(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """``driver`` of a network."""
    if node.value in ("", "default", *driveroptions.DRIVERS):
        return
    message = f"driver {node.value!r} is not supported"
    hint = f"Use {', '.join(driveroptions.DRIVERS)}."
    if node.value in PREDEFINED:
        message = f"there is one {node.value} network, it is not made"
        hint = f"Write external: true and name: {node.value}, or network_mode: {node.value}."
    elif node.value == "overlay":
        message, hint = "overlay networks span several hosts", "Use bridge on one host."
    yield problem(node, path, message, hint=hint)


def options(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    """``driver_opts`` of a network, as its driver takes them."""
    values = {key: scalar_text(child.value) for key, child in node.entries()}
    try:
        driveroptions.check(_driver_of(root, path[1]), values)
    except ValueError as error:
        yield problem(node, path, str(error), hint=_OPTIONS)


def families(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    """A network needs addresses of some kind, and a parent where it is a slice of an interface."""
    if _is_true(node, "external"):
        return
    ipv4, ipv6 = node.child("enable_ipv4"), node.child("enable_ipv6")
    if ipv4 is not None and ipv4.value is False and not (ipv6 is not None and ipv6.value is True):
        yield problem(ipv4, (*path, "enable_ipv4"), "a network without IPv4 needs enable_ipv6: true")
    name = _driver_of(root, path[1])
    if name != driveroptions.BRIDGE and node.child("driver_opts") is None:
        where = node.child("driver") or node
        message = f"a {name} network needs the interface of the host that it shares"
        yield problem(where, (*path, "driver"), message, hint="Write driver_opts: {parent: eth0}.")


def _driver_of(root: Node, key: str | int) -> str:
    node = at(root, ("networks", key, "driver"))
    return scalar_text(node.value) if node.value in driveroptions.DRIVERS else driveroptions.BRIDGE


def _is_true(node: Node, key: str) -> bool:
    child = node.child(key)
    return child is not None and child.value is True


# ------------------------------------------------------------------ attachments


def own_address(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    """``ipv4_address`` and ``ipv6_address`` of a service: from a subnet that the network declares."""
    version = 6 if path[-1] == "ipv6_address" else 4
    address = yield from _address(node, path, version)
    network = at(root, ("networks", path[3]))
    if address is None or _is_true(network, "external"):
        return
    configs = at(root, ("networks", path[3], "ipam", "config"))
    declared = [scalar_text(child.value) for item in configs.items() if (child := item.child("subnet"))]
    subnets = [ipaddress.ip_network(text) for text in declared if _is_subnet(text)]
    subnet = next((one for one in subnets if one.version == version), None)
    if subnet is None:
        yield problem(node, path, f"network {path[3]} has no subnet of its own to take {address} from",
                      hint="Give it ipam: {config: [{subnet: ...}]}.")  # fmt: skip
    elif address not in subnet:
        yield problem(node, path, f"{address} is not in the subnet {subnet} of network {path[3]}")


def _is_subnet(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def link_local(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """One of ``link_local_ips``."""
    address = yield from _address(node, path)
    if address is not None and not address.is_link_local:
        message = f"{address} is no link-local address"
        yield problem(node, path, message, hint="Write it like 169.254.8.8 or fe80::8.")


def hardware_address(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """``mac_address`` of a service or of one attachment."""
    try:
        driveroptions.mac_address(scalar_text(node.value))
    except ValueError as error:
        yield problem(node, path, str(error), hint='Write it like "02:42:ac:11:65:43".')


def interface(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """``interface_name``: what the kernel takes, and not the loopback's."""
    text = scalar_text(node.value)
    if not driveroptions.LINK_NAME.fullmatch(text) or text in (".", "..", "lo"):
        yield problem(node, path, f"{text!r} is no name for an interface (1 to 15 characters)")


def endpoint_options(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """``driver_opts`` of one attachment."""
    try:
        driveroptions.endpoint_options({key: scalar_text(child.value) for key, child in node.entries()})
    except ValueError as error:
        yield problem(node, path, str(error), hint=_OPTIONS)


def attachments(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    """``networks`` of a service: distinct interfaces, one hardware address, ``host`` and ``none`` alone."""
    entries = list(node.entries())
    names: dict[str, str] = {}
    for key, child in entries:
        named = child.child("interface_name")
        if named is not None and named.value:
            text = scalar_text(named.value)
            if text in names:
                message = f"{text} is the interface of network {names[text]} already"
                yield problem(named, (*path, key, "interface_name"), message)
            names[text] = key
        network = at(root, ("networks", key))
        name = network.child("name")
        if (
            _is_true(network, "external")
            and name is not None
            and name.value in PREDEFINED
            and len(entries) > 1
        ):
            message = f"the network {name.value} excludes others"
            yield problem(child, (*path, key), message, hint=f"Write network_mode: {name.value}.")
    own = at(root, path[:-1]).child("mac_address")
    if own is not None and own.value and len(entries) > 1:
        message = "mac_address of a service on several networks"
        hint = "Write it at the network: networks: {NAME: {mac_address: ...}}."
        yield problem(own, (*path[:-1], "mac_address"), message, hint=hint)


def link(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """One of ``links`` or ``external_links``: ``NAME`` or ``NAME:ALIAS``."""
    parts = scalar_text(node.value).split(":")
    if len(parts) > 2 or not all(parts):
        yield problem(node, path, f"{scalar_text(node.value)!r} is no link", hint="Write NAME or NAME:ALIAS.")
