"""Published host ports held by bound sockets, so that nobody else can take them unseen.

Packets for a published IPv4 port never reach a socket of the host: they are translated before.  So
without these a host program could bind the same port, and either it or the container would stay
silent.  The sockets are bound and do not listen: while rules are missing, callers are refused rather
than hung.  IPv6 sockets listen, for what no rule can translate (``::1``, and every IPv6 caller of a
container that has IPv4 only): the supervisor relays it (``supervisor.relay``).

They live as long as this process; a successor reserves again when it adopts the stack.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Sequence

import attrs

from composer import errors
from composer.model.stack import PublishedPort

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LISTENING = "0A"
"""``TCP_LISTEN`` in the ``st`` column of ``/proc/net/tcp`` (proc(5))."""

_BACKLOG = 128
_ATTEMPTS = 32
_ANY, _ANY6 = "0.0.0.0", "::"  # noqa: S104 -- the user publishes on every address


def reserve(port: PublishedPort) -> tuple[int, tuple[socket.socket, ...]]:
    """Bind a host port; 0 lets the kernel choose.

    Returns the number and what holds it: a socket for each family that ``host_ip`` means.  Raises
    ``PortTaken`` naming the holder where it can be found, ``ConflictError`` when the address is not one
    of this host.  SCTP ports cannot be held everywhere; then there is no socket.
    """
    kind = _KINDS.get(port.protocol)
    if kind is None:
        return _reserve_sctp(port)
    for attempt in range(_ATTEMPTS):
        try:
            return _reserve(port, kind)
        except errors.PortTaken:
            # Chosen by the kernel for one family, taken in the other: let it choose again.
            if port.published or attempt == _ATTEMPTS - 1:
                raise
    raise errors.InternalError("unreachable")


def _reserve(port: PublishedPort, kind: int) -> tuple[int, tuple[socket.socket, ...]]:
    number, made = port.published, []
    try:
        for family, address in _places(port.host_ip):
            wanted = attrs.evolve(port, published=number)
            holder = _bound(family, address, wanted, kind)
            made.append(holder)
            number = int(holder.getsockname()[1])
            if family == socket.AF_INET6 and port.protocol == "tcp":
                # Only after binding, so that the port is not shared: connections inherit it, and those of
                # them that linger in TIME_WAIT let a successor bind (inet_csk_bind_conflict of the kernel).
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.listen(_BACKLOG)
    except OSError as error:
        for holder in made:
            holder.close()
        raise _translated(error, attrs.evolve(port, published=number)) from error
    return number, tuple(made)


def _reserve_sctp(port: PublishedPort) -> tuple[int, tuple[socket.socket, ...]]:
    """A one-to-one SCTP socket where the kernel has the protocol (sctp(7)); else nobody can have the port."""
    try:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC, socket.IPPROTO_SCTP)
    except OSError:
        if not port.published:
            message = f"port {port}: this kernel has no SCTP to choose a free port of"
            raise errors.HostUnsupported(message, hint="Write the host port, or `modprobe sctp`.") from None
        return port.published, ()
    try:
        holder.bind((port.host_ip if "." in port.host_ip else _ANY, port.published))
    except OSError as error:
        holder.close()
        raise _translated(error, port) from error
    return int(holder.getsockname()[1]), (holder,)


def _places(host_ip: str) -> Sequence[tuple[socket.AddressFamily, str]]:
    """Where to bind: on every address of both families (as far as the host has IPv6), or on one."""
    if host_ip:
        return ((socket.AF_INET6 if ":" in host_ip else socket.AF_INET, host_ip),)
    if not _has_ipv6():
        return ((socket.AF_INET, _ANY),)
    return ((socket.AF_INET, _ANY), (socket.AF_INET6, _ANY6))


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _bound(family: socket.AddressFamily, address: str, port: PublishedPort, kind: int) -> socket.socket:
    holder = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _bind(holder, address, port)
    except OSError:
        holder.close()
        raise
    return holder


def _bind(holder: socket.socket, address: str, port: PublishedPort) -> None:
    place = (address, port.published)
    try:
        holder.bind(place)
    except OSError as error:
        is_lingering = error.errno == errno.EADDRINUSE and port.protocol == "tcp"
        if not is_lingering or any(_holders(port)):
            raise
        # Only connections in TIME_WAIT are in the way: a listener may share with those, and being
        # one keeps the port from others that set SO_REUSEADDR too.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(place)
        holder.listen(0)


def _translated(error: OSError, port: PublishedPort) -> errors.ComposerError:
    address = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip or "*"
    where = f"{address}:{port.published}/{port.protocol}"
    if error.errno == errno.EADDRINUSE:
        name = next(iter(_holders(port)), "")
        by = f" by {name}" if name else ""
        hint = f"Stop {name or 'what listens there'}, or publish another port."
        return errors.PortTaken(f"port {where} is taken{by}", hint=hint)
    if error.errno == errno.EADDRNOTAVAIL:
        hint = "`ip -brief address` lists the addresses of this host."
        return errors.ConflictError(f"port {where}: {port.host_ip} is no address of this host", hint=hint)
    return errors.NetworkFailure(f"port {where}: {error.strerror}")


def _holders(port: PublishedPort) -> Iterable[str]:
    """Programs with a socket on the port: ``nginx (pid 12)``, or just "a program" when unknown."""
    inodes: set[str] = set()
    for family in ("", "6"):
        inodes |= _inodes(f"/proc/thread-self/net/{port.protocol}{family}", port)
    if not inodes:
        return ()
    return _owners_of(inodes) or ("another program",)


def _inodes(path: str, port: PublishedPort) -> set[str]:
    """Sockets of one protocol table that are bound to the port (for TCP: that listen)."""
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
    except OSError:
        return set()
    found = set()
    for row in rows:
        number = int(row[1].rpartition(":")[2], 16)
        if number == port.published and (port.protocol == "udp" or row[3] == _LISTENING):
            found.add(row[9])
    return found


def _owners_of(inodes: set[str]) -> tuple[str, ...]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with os.scandir(f"/proc/{pid}/fd") as descriptors:
                is_owner = any(_link_of(entry.path) in wanted for entry in descriptors)
            if is_owner:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    return (f"{file.read().strip()} (pid {pid})",)
        except OSError:
            continue  # the process ended while we looked
    return ()


def _link_of(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
