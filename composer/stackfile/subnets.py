"""Rules about addresses: a subnet must be one, and what is taken from it must lie inside it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from composer import errors
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, at, problem


def is_ipv4(text: str) -> bool:
    """Whether it is a dotted IPv4 address, without leading zeros."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def ipam(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """``ipam.config`` of a network: one IPv4 subnet, its gateway inside it."""
    if len(list(node.items())) > 1:
        yield problem(node, path, "more than one subnet is unsupported by this version of composer")
    for index, item in enumerate(node.items()):
        yield from _subnet(item, (*path, index))


def _subnet(item: Node, path: Path) -> Iterator[errors.Problem]:
    subnet, gateway = item.child("subnet"), item.child("gateway")
    network: ipaddress.IPv4Network | None = None
    if subnet is not None:
        try:
            network = ipaddress.IPv4Network(scalar_text(subnet.value))
        except ValueError:
            yield _no_address(subnet, (*path, "subnet"), "subnet", "10.1.2.0/24")
    if gateway is not None:
        try:
            address = ipaddress.IPv4Address(scalar_text(gateway.value))
        except ValueError:
            yield _no_address(gateway, (*path, "gateway"), "address", "10.1.2.1")
            return
        if network is not None and address not in network:
            yield problem(gateway, (*path, "gateway"), f"{address} is not in the subnet {network}")


def _no_address(node: Node, path: Path, kind: str, example: str) -> errors.Problem:
    text = scalar_text(node.value)
    if ":" in text:
        return problem(node, path, f"the IPv6 {kind} {text!r} is unsupported by this version of composer")
    return problem(node, path, f"{text!r} is no IPv4 {kind}", hint=f"Write it like {example}.")


def own_address(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    """``ipv4_address`` of a service: from the subnet that the network declares."""
    try:
        address = ipaddress.IPv4Address(scalar_text(node.value))
    except ValueError:
        yield _no_address(node, path, "address", "10.1.2.3")
        return
    configs = at(root, ("networks", path[3], "ipam", "config", 0))
    subnet = configs.child("subnet")
    if subnet is None:
        yield problem(node, path, f"network {path[3]} has no subnet of its own to take {address} from",
                      hint="Give it ipam: {config: [{subnet: ...}]}.")  # fmt: skip
        return
    try:
        network = ipaddress.IPv4Network(scalar_text(subnet.value))
    except ValueError:
        return
    if address not in network:
        yield problem(node, path, f"{address} is not in the subnet {network} of network {path[3]}")
