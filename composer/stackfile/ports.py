"""The short form of ``ports``: ``[HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]``, with ranges.

Grammar and oddities are those of Docker's ``nat.ParsePortSpec`` (docker/go-connections 0.6): equal
ranges expand pairwise, a published range for one target stays a range (any free port of it), and
the entries of a range come in the order of their text (``10`` before ``9``).
"""

from __future__ import annotations

import ipaddress

import attrs

from composer.stackfile.scalars import is_number

LARGEST_PORT = 65535
PROTOCOLS = ("tcp", "udp", "sctp")


@attrs.frozen(kw_only=True)
class ShortPort:
    """One port of a short form; ``published`` and ``host_ip`` are "" when not written."""

    target: int
    published: str = ""
    host_ip: str = ""
    protocol: str = "tcp"


def parse(text: str) -> list[ShortPort]:
    """Every port that a short form stands for; raises ``ValueError`` with a sentence."""
    head, _, target = text.rpartition(":")
    host_ip, _, published = head.rpartition(":")
    target, slash, protocol = target.partition("/")
    protocol = protocol.lower() if slash and protocol else "tcp"
    if not target:
        raise _refused(text, "it has no port of the container")
    if protocol not in PROTOCOLS:
        raise _refused(text, f"{protocol!r} is no protocol, expected one of {', '.join(PROTOCOLS)}")
    host_ip = _address(host_ip, text)
    first, last = _range(target, text)
    if not published:
        found = [
            ShortPort(target=port, host_ip=host_ip, protocol=protocol) for port in range(first, last + 1)
        ]
    else:
        low, high = _range(published, text)
        if last != first and high - low != last - first:
            raise _refused(text, f"the ranges {published} and {target} differ in length")
        found = [
            ShortPort(
                target=port,
                published=str(low + port - first) if last > first or low == high else f"{low}-{high}",
                host_ip=host_ip,
                protocol=protocol,
            )
            for port in range(first, last + 1)
        ]
    return sorted(found, key=lambda port: str(port.target))


def count(text: str) -> int:
    """How many entries a short form stands for, without making them; 1 for nonsense."""
    first, dash, last = text.rpartition(":")[2].partition("/")[0].partition("-")
    is_range = bool(dash) and is_number(first) and is_number(last)
    return max(1, int(last) - int(first) + 1) if is_range else 1


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _address(text: str, whole: str) -> str:
    address = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if address and not is_address(address):
        raise _refused(whole, f"{text!r} is no IP address")
    return address


def _range(text: str, whole: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not is_number(first) or (dash and not is_number(last)):
        raise _refused(whole, f"{text!r} is no port")
    low, high = int(first), int(last) if dash else int(first)
    if low > high or high > LARGEST_PORT:
        raise _refused(
            whole, f"{text} is outside 0-{LARGEST_PORT}" if low <= high else f"{text} runs backwards"
        )
    return low, high


def _refused(text: str, why: str) -> ValueError:
    return ValueError(f"invalid port {text!r}: {why}")
