"""Links, addresses and routes through a raw rtnetlink socket (rtnetlink(7), linux/rtnetlink.h).

Raw, because the import of pyroute2 alone costs more than making two hundred links, and because ``ip``
processes cost 2 ms each (docs/performance.md, section 2).  Requests are plain values made by pure
functions; a ``Netlink`` sends any number of them in one system call, so that a kill leaves either
none of a batch or all of it.  A socket belongs to the network namespace of the thread that opened it,
for ever: that is how one thread configures both ends of a pair.

Every link that is ours carries the group of its network (``IFLA_GROUP``, set in the request that
makes it, hence never missing) and an alias that says whose it is to a human.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import attrs

from composer import errors

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NOOP, _ERROR, _DONE = 1, 2, 3

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_REPLACE, _EXCLUSIVE, _CREATE = 0x100, 0x200, 0x400
_DUMP_INTERRUPTED, _CAPPED, _HAS_DETAILS = 0x10, 0x100, 0x200

_SOL_NETLINK, _OPTION_CAP_ACK, _OPTION_EXT_ACK = 270, 10, 11

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
_IFLA_IFALIAS, _IFLA_AF_SPEC, _IFLA_GROUP, _IFLA_NET_NS_FD = 20, 26, 27, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA, _VETH_PEER = 1, 2, 4, 5, 1
_BRIDGE_PORT_HAIRPIN, _BRIDGE_PORT_ISOLATED = 4, 33
_MACVLAN_MODE, _IPVLAN_MODE, _IPVLAN_FLAGS = 1, 1, 2
_MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_IPVLAN_FLAG_BITS = {"bridge": 0, "private": 1, "vepa": 2}
_BRIDGE_MCAST_SNOOPING = 23
_INET6_ADDR_GEN_MODE, _GEN_MODE_NONE = 8, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_FLAGS = 1, 2, 4, 8
_NO_DETECTION = 0x02
"""``IFA_F_NODAD``: an address that our own leases keep unique need not wait for duplicate detection."""
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _TYPE_UNICAST, _TYPE_LOCAL = 254, 3, 0, 1, 2
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_UP = 0x1
_NESTED = 0x8000
_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=LHHLL")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE = 1 << 18

_ATTEMPTS = 5
"""How often a dump is repeated that the kernel marked inconsistent because something changed."""


@attrs.frozen(kw_only=True)
class Link:
    """One network interface; ``master`` is the index of its bridge or 0."""

    index: int
    name: str
    kind: str = ""
    master: int = 0
    alias: str = ""
    group: int = 0
    is_up: bool = False
    mtu: int = 0


@attrs.frozen(kw_only=True)
class Address:
    """One address of an interface, IPv4 or IPv6."""

    index: int
    address: str
    prefix: int


@attrs.frozen(kw_only=True)
class Route:
    """One route to a subnet, IPv4 or IPv6; ``index`` is the outgoing interface or 0."""

    subnet: str
    index: int


@attrs.frozen(kw_only=True)
class Request:
    """One change for the kernel; ``what`` names the object in an error."""

    what: str
    kind: int
    flags: int
    body: bytes


# --------------------------------------------------------------------------- requests, pure


def create_bridge(name: str, *, group: int, mac: bytes, mtu: int = 0) -> Request:
    """Make a bridge that floods multicast instead of snooping it (small networks, no MLD storms)."""
    data = _attribute(_BRIDGE_MCAST_SNOOPING, b"\0")
    info = _text(_INFO_KIND, "bridge") + _attribute(_INFO_DATA | _NESTED, data)
    body = (
        _link_header()
        + _text(_IFLA_IFNAME, name)
        + _attribute(_IFLA_ADDRESS, mac)
        + (_number(_IFLA_MTU, mtu) if mtu else b"")
        + _number(_IFLA_GROUP, group)
        + _attribute(_IFLA_LINKINFO | _NESTED, info)
    )
    return Request(what=f"bridge {name}", kind=_NEWLINK, flags=_CREATE | _EXCLUSIVE, body=body)


def create_veth(
    name: str, *, group: int, master: int, peer: str, peer_mac: bytes, namespace: int, mtu: int = 0
) -> Request:
    """Make a pair: ``name`` here (on bridge ``master`` unless 0), ``peer`` in a namespace (descriptor)."""
    size = _number(_IFLA_MTU, mtu) if mtu else b""
    peer_body = (
        _link_header()
        + _text(_IFLA_IFNAME, peer)
        + _attribute(_IFLA_ADDRESS, peer_mac)
        + size
        + _number(_IFLA_NET_NS_FD, namespace)
    )
    info = _text(_INFO_KIND, "veth") + _attribute(
        _INFO_DATA | _NESTED, _attribute(_VETH_PEER | _NESTED, peer_body)
    )
    body = (
        _link_header()
        + _text(_IFLA_IFNAME, name)
        + size
        + _number(_IFLA_GROUP, group)
        + (_number(_IFLA_MASTER, master) if master else b"")
        + _attribute(_IFLA_LINKINFO | _NESTED, info)
    )
    return Request(what=f"link {name}", kind=_NEWLINK, flags=_CREATE | _EXCLUSIVE, body=body)


def create_macvlan(name: str, *, parent: int, mode: str, mac: bytes, namespace: int, mtu: int = 0) -> Request:
    """Make a macvlan interface of ``parent`` (an index) in a namespace (descriptor)."""
    data = _number(_MACVLAN_MODE, _MACVLAN_MODES[mode or "bridge"])
    body = _slice(name, "macvlan", data, parent=parent, namespace=namespace, mtu=mtu) + _attribute(
        _IFLA_ADDRESS, mac
    )
    return Request(what=f"macvlan {name}", kind=_NEWLINK, flags=_CREATE | _EXCLUSIVE, body=body)


def create_ipvlan(name: str, *, parent: int, mode: str, flag: str, namespace: int, mtu: int = 0) -> Request:
    """Make an ipvlan interface of ``parent``, which has the parent's hardware address."""
    data = _attribute(_IPVLAN_MODE, struct.pack("=H", _IPVLAN_MODES[mode or "l2"]))
    data += _attribute(_IPVLAN_FLAGS, struct.pack("=H", _IPVLAN_FLAG_BITS[flag or "bridge"]))
    body = _slice(name, "ipvlan", data, parent=parent, namespace=namespace, mtu=mtu)
    return Request(what=f"ipvlan {name}", kind=_NEWLINK, flags=_CREATE | _EXCLUSIVE, body=body)


def _slice(name: str, kind: str, data: bytes, *, parent: int, namespace: int, mtu: int) -> bytes:
    return (
        _link_header()
        + _text(_IFLA_IFNAME, name)
        + _number(_IFLA_LINK, parent)
        + _number(_IFLA_NET_NS_FD, namespace)
        + (_number(_IFLA_MTU, mtu) if mtu else b"")
        + _attribute(
            _IFLA_LINKINFO | _NESTED, _text(_INFO_KIND, kind) + _attribute(_INFO_DATA | _NESTED, data)
        )
    )


def set_up(
    name: str,
    *,
    alias: str = "",
    without_ipv6: bool = False,
    is_hairpin: bool = False,
    is_isolated: bool = False,
) -> Request:
    """Bring a link up; first give it an alias and keep it from making itself an IPv6 address.

    ``is_hairpin`` lets the bridge send a frame back to the port it came from: a container that calls
    its own published port needs it where bridged packets pass iptables (``br_netfilter``).
    ``is_isolated`` keeps it from sending to other isolated ports: the host is all that it reaches.
    """
    body = _link_header(flags=_UP, change=_UP) + _text(_IFLA_IFNAME, name)
    if alias:
        body += _text(_IFLA_IFALIAS, alias[:255])
    if without_ipv6:
        mode = _attribute(_INET6_ADDR_GEN_MODE, bytes([_GEN_MODE_NONE]))
        family = _attribute(socket.AF_INET6 | _NESTED, mode)
        body += _attribute(_IFLA_AF_SPEC | _NESTED, family)
    if is_hairpin or is_isolated:
        port = _attribute(_BRIDGE_PORT_HAIRPIN, b"\1" if is_hairpin else b"\0")
        port += _attribute(_BRIDGE_PORT_ISOLATED, b"\1" if is_isolated else b"\0")
        data = _attribute(_INFO_SLAVE_DATA | _NESTED, port)
        body += _attribute(_IFLA_LINKINFO | _NESTED, _text(_INFO_SLAVE_KIND, "bridge") + data)
    return Request(what=f"link {name}", kind=_NEWLINK, flags=0, body=body)


def set_master(name: str, master: int) -> Request:
    """Put a link on a bridge."""
    body = _link_header() + _text(_IFLA_IFNAME, name) + _number(_IFLA_MASTER, master)
    return Request(what=f"link {name}", kind=_NEWLINK, flags=0, body=body)


def delete_link(name: str) -> Request:
    """Delete a link (and its peer).  Costs an RCU grace period, some 20 ms."""
    body = _link_header() + _text(_IFLA_IFNAME, name)
    return Request(what=f"link {name}", kind=_DELLINK, flags=0, body=body)


def delete_group(group: int, what: str) -> Request:
    """Delete every link of a group in one grace period; ``ENODEV`` when there is none."""
    body = _link_header() + _number(_IFLA_GROUP, group)
    return Request(what=what, kind=_DELLINK, flags=0, body=body)


def add_address(index: int, address: str, prefix: int, what: str) -> Request:
    """Give an interface an address; giving it again changes nothing."""
    family = _family(address)
    packed = socket.inet_pton(family, address)
    body = _ADDRESS.pack(family, prefix, 0, _SCOPE_UNIVERSE, index)
    body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
    if family == socket.AF_INET6:
        body += _number(_IFA_FLAGS, _NO_DETECTION)
    elif prefix < 31:
        host_bits = (1 << (32 - prefix)) - 1
        broadcast = struct.pack("!I", struct.unpack("!I", packed)[0] | host_bits)
        body += _attribute(_IFA_BROADCAST, broadcast)
    return Request(what=what, kind=_NEWADDR, flags=_CREATE | _REPLACE, body=body)


def add_default_route(gateway: str, what: str) -> Request:
    """Send everything else of a family to ``gateway``, in place of a former one."""
    family = _family(gateway)
    body = _default_route(family) + _attribute(_RTA_GATEWAY, socket.inet_pton(family, gateway))
    return Request(what=what, kind=_NEWROUTE, flags=_CREATE | _REPLACE, body=body)


def add_default_link(index: int, *, version: int, what: str) -> Request:
    """Send everything else of a family out of an interface, whose other end knows the way."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    body = _default_route(family) + _number(_RTA_OIF, index)
    return Request(what=what, kind=_NEWROUTE, flags=_CREATE | _REPLACE, body=body)


def delete_default_route(version: int, what: str) -> Request:
    """Take the default route of a family away; ``ESRCH`` when there is none."""
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    return Request(what=what, kind=_DELROUTE, flags=0, body=_default_route(family))


def _default_route(family: int) -> bytes:
    return _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _TYPE_UNICAST, 0)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _link_header(*, flags: int = 0, change: int = 0) -> bytes:
    return _LINK.pack(socket.AF_UNSPEC, 0, 0, flags, change)


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


# --------------------------------------------------------------------------- answers, pure


def attributes_in(data: bytes) -> dict[int, bytes]:
    """The attributes of a message body; a malformed rest is ignored."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _TYPE_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found


def link_from(body: bytes) -> Link:
    """The link that a ``RTM_NEWLINK`` body describes."""
    _family, _hardware, index, flags, _change = _LINK.unpack_from(body)
    found = attributes_in(body[_LINK.size :])
    info = attributes_in(found.get(_IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=_string(found.get(_IFLA_IFNAME)),
        kind=_string(info.get(_INFO_KIND)),
        master=_integer(found.get(_IFLA_MASTER)),
        alias=_string(found.get(_IFLA_IFALIAS)),
        group=_integer(found.get(_IFLA_GROUP)),
        is_up=bool(flags & _UP),
        mtu=_integer(found.get(_IFLA_MTU)),
    )


def address_from(body: bytes) -> Address | None:
    """The address that a ``RTM_NEWADDR`` body describes; ``None`` for other families."""
    family, prefix, _flags, _scope, index = _ADDRESS.unpack_from(body)
    found = attributes_in(body[_ADDRESS.size :])
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if family not in _FAMILIES or packed is None:
        return None
    return Address(index=index, address=socket.inet_ntop(family, packed), prefix=prefix)


def route_from(body: bytes) -> Route | None:
    """The subnet that a ``RTM_NEWROUTE`` body leads to; ``None`` for default and odd routes."""
    family, prefix, _source, _tos, _table, _protocol, _scope, kind, _flags = _ROUTE.unpack_from(body)
    found = attributes_in(body[_ROUTE.size :])
    packed = found.get(_RTA_DST)
    if family not in _FAMILIES or packed is None or kind not in (_TYPE_UNICAST, _TYPE_LOCAL):
        return None
    return Route(subnet=f"{socket.inet_ntop(family, packed)}/{prefix}", index=_integer(found.get(_RTA_OIF)))


def _string(value: bytes | None) -> str:
    return (value or b"").split(b"\0", 1)[0].decode(errors="replace")


def _integer(value: bytes | None) -> int:
    return int(struct.unpack("=I", value)[0]) if value and len(value) == 4 else 0


def _messages_in(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _explanation(flags: int, body: bytes) -> str:
    """The kernel's own words beside an error number (``NLMSGERR_ATTR_MSG``), if it has any."""
    if not flags & _HAS_DETAILS:
        return ""
    start = 4 + _HEADER.size
    if not flags & _CAPPED:
        start = 4 + ((_HEADER.unpack_from(body, 4)[0] + 3) & ~3)
    return _string(attributes_in(body[start:]).get(1))


# --------------------------------------------------------------------------- the socket


class Netlink:
    """A socket into the network namespace of the thread that opens it; one user at a time."""

    def __init__(self) -> None:
        """Open; raises ``NetworkFailure``."""
        self._lock = threading.Lock()
        self._sequence = 0
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
            )
            self._socket.setsockopt(_SOL_NETLINK, _OPTION_CAP_ACK, 1)
            self._socket.setsockopt(_SOL_NETLINK, _OPTION_EXT_ACK, 1)
            self._socket.bind((0, 0))
        except OSError as error:
            message = f"netlink: {error.strerror}"
            raise errors.NetworkFailure(message) from error

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def change(self, requests: Sequence[Request], *, tolerate: Sequence[int] = ()) -> tuple[int, ...]:
        """Send all requests at once; returns the error number (0: done) of each.

        The kernel works through the whole batch whatever fails in between.  Raises
        ``NetworkFailure`` for the first failure whose number is not in ``tolerate``.
        """
        if not requests:
            return ()
        with self._lock:
            numbers, texts = self._exchange(requests)
        for request, number, text in zip(requests, numbers, texts, strict=True):
            if number and number not in tolerate:
                reason = os.strerror(number) + (f" ({text})" if text else "")
                message = f"{request.what}: {reason}"
                raise errors.NetworkFailure(message)
        return tuple(numbers)

    def _exchange(self, requests: Sequence[Request]) -> tuple[list[int], list[str]]:
        first = self._sequence + 1
        self._sequence += len(requests)
        packets = [
            _HEADER.pack(
                _HEADER.size + len(request.body), request.kind, request.flags | _REQUEST | _ACK, number, 0
            )
            + request.body
            + b"\0" * (-len(request.body) % 4)
            for number, request in enumerate(requests, first)
        ]
        numbers = [-1] * len(requests)
        texts = [""] * len(requests)
        try:
            self._socket.send(b"".join(packets))
            while -1 in numbers:
                for kind, flags, sequence, body in _messages_in(self._socket.recv(_RECEIVE)):
                    position = sequence - first
                    if kind == _ERROR and 0 <= position < len(requests):
                        numbers[position] = -struct.unpack_from("=i", body)[0]
                        texts[position] = _explanation(flags, body)
        except OSError as error:
            message = f"{requests[0].what}: netlink: {error.strerror}"
            raise errors.NetworkFailure(message) from error
        return numbers, texts

    def links(self) -> tuple[Link, ...]:
        """Every link of the namespace."""
        return tuple(link_from(body) for body in self._dump(_GETLINK, _link_header(), _NEWLINK))

    def addresses(self) -> tuple[Address, ...]:
        """Every address of the namespace, of both families."""
        body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        found = (address_from(answer) for answer in self._dump(_GETADDR, body, _NEWADDR))
        return tuple(address for address in found if address is not None)

    def routes(self) -> tuple[Route, ...]:
        """Every route to a subnet, of every table and both families."""
        body = _ROUTE.pack(socket.AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0)
        found = (route_from(answer) for answer in self._dump(_GETROUTE, body, _NEWROUTE))
        return tuple(route for route in found if route is not None)

    def link(self, name: str) -> Link | None:
        """The link of that name, or ``None``."""
        body = _link_header() + _text(_IFLA_IFNAME, name)
        with self._lock:
            self._sequence += 1
            packet = _HEADER.pack(_HEADER.size + len(body), _GETLINK, _REQUEST, self._sequence, 0) + body
            try:
                self._socket.send(packet)
                while True:
                    for kind, _flags, sequence, answer in _messages_in(self._socket.recv(_RECEIVE)):
                        if sequence != self._sequence:
                            continue
                        if kind == _NEWLINK:
                            return link_from(answer)
                        if kind == _ERROR:
                            number = -struct.unpack_from("=i", answer)[0]
                            if number == errno.ENODEV:
                                return None
                            raise OSError(number, os.strerror(number))  # noqa: TRY301 -- one place words it
            except OSError as error:
                message = f"link {name}: {error.strerror}"
                raise errors.NetworkFailure(message) from error

    def _dump(self, kind: int, body: bytes, answer_kind: int) -> list[bytes]:
        with self._lock:
            for _attempt in range(_ATTEMPTS):
                try:
                    found, is_whole = self._dump_once(kind, body, answer_kind)
                except OSError as error:
                    message = f"netlink dump: {error.strerror}"
                    raise errors.NetworkFailure(message) from error
                if is_whole:
                    break
            return found

    def _dump_once(self, kind: int, body: bytes, answer_kind: int) -> tuple[list[bytes], bool]:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, self._sequence, 0)
        self._socket.send(header + body)
        found: list[bytes] = []
        is_whole = True
        while True:
            for got, flags, sequence, answer in _messages_in(self._socket.recv(_RECEIVE)):
                if sequence != self._sequence:
                    continue
                is_whole = is_whole and not flags & _DUMP_INTERRUPTED
                if got == _DONE:
                    return found, is_whole
                if got == _ERROR:
                    number = -struct.unpack_from("=i", answer)[0]
                    raise OSError(number, os.strerror(number))
                if got == answer_kind:
                    found.append(answer)


def index_of(name: str) -> int:
    """The index of a link in the calling thread's namespace; 0 when there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0
