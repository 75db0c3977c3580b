"""Published host ports held by bound sockets, so that nobody else can take them unseen.

Packets for a published port never reach a socket of the host: they are translated before.  So without
these a host program could bind the same port, and either it or the container would stay silent.  The
sockets are bound and do not listen: while rules are missing, callers are refused rather than hung.
They live as long as this process; a successor reserves again when it adopts the stack.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

from composer import errors
from composer.model.stack import PublishedPort

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_LISTENING = "0A"
"""``TCP_LISTEN`` in the ``st`` column of ``/proc/net/tcp`` (proc(5))."""


def reserve(port: PublishedPort) -> tuple[PublishedPort, socket.socket | None]:
    """Bind a host port; 0 lets the kernel choose.  Returns the port as bound and what holds it.

    Raises ``PortTaken`` naming the holder where it can be found, ``ConflictError`` when the address
    is not one of this host.  SCTP ports cannot be held and are returned as they are.
    """
    kind = _KINDS.get(port.protocol)
    if kind is None:
        return port, None
    holder = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC)
    try:
        _bind(holder, port)
    except OSError as error:
        holder.close()
        raise _translated(error, port) from error
    number = int(holder.getsockname()[1])
    chosen = PublishedPort(target=port.target, published=number, host_ip=port.host_ip, protocol=port.protocol)
    return chosen, holder


def _bind(holder: socket.socket, port: PublishedPort) -> None:
    address = (port.host_ip or "0.0.0.0", port.published)  # noqa: S104 -- the user publishes on every address
    try:
        holder.bind(address)
    except OSError as error:
        is_lingering = error.errno == errno.EADDRINUSE and port.protocol == "tcp"
        if not is_lingering or any(_holders(port)):
            raise
        # Only connections in TIME_WAIT are in the way: a listener may share with those, and being
        # one keeps the port from others that set SO_REUSEADDR too.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(address)
        holder.listen(0)


def _translated(error: OSError, port: PublishedPort) -> errors.ComposerError:
    where = f"{port.host_ip or '*'}:{port.published}/{port.protocol}"
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
