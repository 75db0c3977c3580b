"""Which subnets a network gets and which addresses a container: pure arithmetic, for both families.

IPv4 subnets are small (a /24 holds 253 containers), so that the pools give thousands of networks where
Docker's default runs out after some thirty.  IPv6 subnets are unique local ones (RFC 4193) that follow
from the network's name, so that a network made again has the addresses that it had.  A subnet that
overlaps anything taken, a route of the host (VPN, Docker's bridges) or another recorded network, is
never chosen and, when declared, refused.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Iterator

import attrs

from composer import errors

POOLS = ("172.24.0.0/13", "172.16.0.0/13", "10.128.0.0/9", "10.0.0.0/9")
"""Private blocks (RFC 1918) in order of preference; the halves that Docker and VPNs like come later."""

PREFIX = 24
PREFIX6 = 64
BUILD_PREFIX = 30

_LARGEST_PREFIX = {4: 30, 6: 126}
_ATTEMPTS = 64


@attrs.frozen(kw_only=True)
class Block:
    """The addresses of one family on a network; "" for no gateway or no narrower range."""

    network: str
    subnet: str
    gateway: str = ""
    ip_range: str = ""
    reserved: frozenset[str] = frozenset()

    @property
    def prefix(self) -> int:
        """The length of the subnet's prefix."""
        return int(self.subnet.rpartition("/")[2])


def version_of(address: str) -> int:
    """4 or 6, for an address or a subnet."""
    return 6 if ":" in address else 4


def free_subnet(taken: Iterable[str], *, prefix: int = PREFIX) -> str:
    """The first IPv4 subnet of the pools that overlaps nothing taken; raises ``SubnetOverlap``."""
    spans = sorted(_span(subnet) for subnet in taken if version_of(subnet) == 4)
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


def free_subnet6(seed: str, taken: Iterable[str]) -> str:
    """A unique local /64 that follows from ``seed`` and overlaps nothing taken; raises ``SubnetOverlap``."""
    others = tuple(taken)
    for attempt in range(_ATTEMPTS):
        digest = hashlib.sha256(f"composer/subnet/{seed}/{attempt}".encode()).digest()
        subnet = str(ipaddress.IPv6Network((b"\xfd" + digest[:7] + bytes(8), PREFIX6)))
        if not overlaps(subnet, others):
            return subnet
    message = "no free unique local subnet was found"
    raise errors.SubnetOverlap(message, hint="Declare an IPv6 subnet (networks: ... ipam).")


def declared_subnet(network: str, declared: str, taken: Iterable[str]) -> str:
    """A declared subnet in canonical form; raises ``UsageError`` or ``SubnetOverlap``."""
    try:
        subnet = ipaddress.ip_network(declared, strict=False)
    except ValueError as error:
        message = f"network {network}: {declared!r} is no subnet"
        raise errors.UsageError(message) from error
    if subnet.prefixlen > _LARGEST_PREFIX[subnet.version]:
        message = f"network {network}: subnet {declared} has no room for a gateway and a container"
        raise errors.UsageError(message)
    for other in taken:
        if overlaps(str(subnet), [other]):
            message = f"network {network}: subnet {subnet} overlaps {other}, which this host uses already"
            raise errors.SubnetOverlap(message, hint="`ip route` shows it; declare another subnet, or none.")
    return str(subnet)


def overlaps(subnet: str, others: Iterable[str]) -> bool:
    """Whether a subnet shares an address with any of the others."""
    version, (first, last) = version_of(subnet), _span(subnet)
    there = (_span(other) for other in others if version_of(other) == version)
    return any(first <= other_last and other_first <= last for other_first, other_last in there)


def gateway_of(network: str, subnet: str, declared: str | None) -> str:
    """The bridge's own address: as declared, else the first; raises ``UsageError``."""
    if declared is None:
        return _text(_span(subnet)[0] + 1, version_of(subnet))
    return _usable_in(network, subnet, declared, "gateway")


def block_of(
    network: str, subnet: str, gateway: str, *, ip_range: str | None, reserved: Iterable[str] = ()
) -> Block:
    """What a subnet has for containers; raises ``UsageError`` where a range or address lies outside."""
    if ip_range is not None and not _is_within(ip_range, subnet):
        message = f"network {network}: ip_range {ip_range} is not within subnet {subnet}"
        raise errors.UsageError(message)
    own = [address for address in reserved if version_of(address) == version_of(subnet)]
    return Block(
        network=network,
        subnet=subnet,
        gateway=gateway,
        ip_range=ip_range or "",
        reserved=frozenset(_usable_in(network, subnet, address, "aux_address") for address in own),
    )


def static_address(block: Block, wanted: str) -> str:
    """An address that a container asks for, checked against the subnet; raises ``UsageError``."""
    address = _usable_in(block.network, block.subnet, wanted, "address")
    if address == block.gateway or address in block.reserved:
        whose = "the gateway's address" if address == block.gateway else "reserved (aux_addresses)"
        message = f"network {block.network}: {address} is {whose}"
        raise errors.UsageError(message)
    return address


def free_address(block: Block, taken: Collection[str]) -> str:
    """The lowest free address for a container; raises ``ConflictError`` when there is none."""
    for address in _candidates(block):
        if address != block.gateway and address not in block.reserved and address not in taken:
            return address
    where = f"range {block.ip_range}" if block.ip_range else block.subnet
    message = f"network {block.network}: every address of {where} is taken"
    raise errors.ConflictError(message, hint="Declare a larger subnet for it, or fewer replicas.")


def mac_of(address: str) -> bytes:
    """The locally administered hardware address that goes with an address (for IPv4 as Docker's).

    Derived, so that neighbours' ARP entries stay true when a container is made again.
    """
    if version_of(address) == 4:
        return b"\x02\x42" + ipaddress.IPv4Address(address).packed
    return b"\x02\x42" + hashlib.sha256(ipaddress.IPv6Address(address).packed).digest()[:4]


def _bounds(block: Block) -> tuple[int, int]:
    """The first and last number that a container may get: never the subnet's own or its broadcast."""
    first, last = _span(block.subnet)
    last_usable = last - 1 if version_of(block.subnet) == 4 else last
    if block.ip_range:
        low, high = _span(block.ip_range)
        return max(first + 1, low), min(last_usable, high)
    return first + 1, last_usable


def _candidates(block: Block) -> Iterator[str]:
    version = version_of(block.subnet)
    first, last = _bounds(block)
    return (_text(number, version) for number in range(first, last + 1))


def _usable_in(network: str, subnet: str, address: str, what: str) -> str:
    first, last = _span(subnet)
    version = version_of(subnet)
    try:
        number = int(ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address))
    except ValueError as error:
        message = f"network {network}: {what} {address!r} is no IPv{version} address"
        raise errors.UsageError(message) from error
    if not first < number < last + (version == 6):
        message = f"network {network}: {what} {address} is not a host address of subnet {subnet}"
        raise errors.UsageError(message)
    return _text(number, version)


def _is_within(inner: str, outer: str) -> bool:
    try:
        inner_first, inner_last = _span(str(ipaddress.ip_network(inner, strict=False)))
    except ValueError:
        return False
    first, last = _span(outer)
    return version_of(inner) == version_of(outer) and first <= inner_first and inner_last <= last


def _text(number: int, version: int) -> str:
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))


def _span(subnet: str) -> tuple[int, int]:
    """First and last address as numbers (``ipaddress`` objects cost 30 times as much for IPv4)."""
    address, _, prefix = subnet.partition("/")
    if ":" in address:
        number, width = int(ipaddress.IPv6Address(address)), 128
    else:
        a, b, c, d = address.split(".")
        number, width = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d), 32
    mask = (1 << (width - int(prefix or width))) - 1
    return number & ~mask, number | mask
