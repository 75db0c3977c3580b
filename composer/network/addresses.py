"""Which subnet a network gets and which address a container: pure arithmetic.

Subnets are small (a /24 holds 253 containers), so that the pools give thousands of networks where
Docker's default runs out after some thirty.  A subnet that overlaps anything taken, a route of the
host (VPN, Docker's bridges) or another recorded network, is never chosen and, when declared, refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator

from composer import errors

POOLS = ("172.24.0.0/13", "172.16.0.0/13", "10.128.0.0/9", "10.0.0.0/9")
"""Private blocks (RFC 1918) in order of preference; the halves that Docker and VPNs like come later."""

PREFIX = 24
BUILD_PREFIX = 30

_LARGEST_PREFIX = 30


def free_subnet(taken: Iterable[str], *, prefix: int = PREFIX) -> str:
    """The first subnet of the pools that overlaps nothing taken; raises ``SubnetOverlap``."""
    spans = sorted(_span(subnet) for subnet in taken)
    size = 1 << (32 - prefix)
    for pool in POOLS:
        start, end = _span(pool)
        for first, last in spans:
            if last < start:
                continue
            if first >= start + size:
                break
            start = -(-(last + 1) // size) * size
        if start + size - 1 <= end:
            return f"{ipaddress.IPv4Address(start)}/{prefix}"
    message = f"no free /{prefix} subnet is left in {', '.join(POOLS)}"
    raise errors.SubnetOverlap(message, hint="Declare a subnet (networks: ... ipam), or remove old stacks.")


def declared_subnet(network: str, declared: str, taken: Iterable[str]) -> str:
    """A declared subnet in canonical form; raises ``UsageError`` or ``SubnetOverlap``."""
    try:
        subnet = ipaddress.IPv4Network(declared, strict=False)
    except ValueError as error:
        message = f"network {network}: {declared!r} is not an IPv4 subnet"
        raise errors.UsageError(message) from error
    if subnet.prefixlen > _LARGEST_PREFIX:
        message = f"network {network}: subnet {declared} has no room for a gateway and a container"
        raise errors.UsageError(message)
    first, last = _span(str(subnet))
    for other in taken:
        other_first, other_last = _span(other)
        if first <= other_last and other_first <= last:
            message = f"network {network}: subnet {subnet} overlaps {other}, which this host uses already"
            raise errors.SubnetOverlap(message, hint="`ip route` shows it; declare another subnet, or none.")
    return str(subnet)


def overlaps(subnet: str, others: Iterable[str]) -> bool:
    """Whether a subnet shares an address with any of the others."""
    first, last = _span(subnet)
    return any(first <= there[1] and there[0] <= last for there in map(_span, others))


def gateway_of(network: str, subnet: str, declared: str | None) -> str:
    """The bridge's own address: as declared, else the first; raises ``UsageError``."""
    if declared is None:
        return str(ipaddress.IPv4Address(_span(subnet)[0] + 1))
    _check_usable(network, subnet, declared, "gateway")
    return declared


def static_address(network: str, subnet: str, gateway: str, wanted: str) -> str:
    """An address that a container asks for, checked against the subnet; raises ``UsageError``."""
    _check_usable(network, subnet, wanted, "address")
    if wanted == gateway:
        message = f"network {network}: {wanted} is the gateway's address"
        raise errors.UsageError(message)
    return wanted


def free_address(network: str, subnet: str, gateway: str, taken: Collection[str]) -> str:
    """The lowest free address for a container; raises ``ConflictError`` when there is none."""
    for address in _usable(subnet):
        if address != gateway and address not in taken:
            return address
    message = f"network {network}: every address of {subnet} is taken"
    raise errors.ConflictError(message, hint="Declare a larger subnet for it, or fewer replicas.")


def mac_of(address: str) -> bytes:
    """The locally administered hardware address that goes with an IPv4 address (as Docker's).

    Derived, so that neighbours' ARP entries stay true when a container is made again.
    """
    return b"\x02\x42" + ipaddress.IPv4Address(address).packed


def _usable(subnet: str) -> Iterator[str]:
    first, last = _span(subnet)
    return (str(ipaddress.IPv4Address(number)) for number in range(first + 1, last))


def _check_usable(network: str, subnet: str, address: str, what: str) -> None:
    first, last = _span(subnet)
    try:
        number = int(ipaddress.IPv4Address(address))
    except ValueError as error:
        message = f"network {network}: {what} {address!r} is not an IPv4 address"
        raise errors.UsageError(message) from error
    if not first < number < last:
        message = f"network {network}: {what} {address} is not a host address of subnet {subnet}"
        raise errors.UsageError(message)


def _span(subnet: str) -> tuple[int, int]:
    """First and last address as numbers (``ipaddress`` objects cost 30 times as much here)."""
    address, _, prefix = subnet.partition("/")
    a, b, c, d = address.split(".")
    number = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
    mask = (1 << (32 - int(prefix or "32"))) - 1
    return number & ~mask, number | mask
