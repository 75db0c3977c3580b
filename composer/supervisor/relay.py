"""Carries what no firewall rule can translate: callers of ``::1``, IPv6 callers of IPv4 containers.

The kernel takes no answer for ``::1`` that comes in on a bridge, and translates no IPv6 packet into an
IPv4 one.  So a published port's IPv6 socket (``network.reservation``) is served here, and what it gets is
passed on to the container, which then sees the host's address as the caller's, as behind Docker's proxy.
Everything else goes by rules and outlives the supervisor; these callers are refused while there is none.

Everything is bounded: connections and sessions per port, seconds that either may be idle.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK = 65536
_CONNECTIONS_EACH = 512
_SESSIONS_EACH = 512
_CONNECT_SECONDS = 10.0
_SESSION_SECONDS = 60.0
"""As long as the kernel remembers a UDP exchange by default (``nf_conntrack_udp_timeout``, twice)."""

_DRAIN = 64


Address = tuple[Any, ...]
"""Of a caller, as ``recvfrom`` gives it."""


class Relayed(Protocol):
    """A bound socket and where its callers want to go (``network.driver.Relayed``)."""

    @property
    def socket(self) -> socket.socket:
        """Listening for TCP, bound for UDP; its owner closes it."""

    @property
    def protocol(self) -> str:
        """``tcp`` or ``udp``."""

    @property
    def address(self) -> str:
        """The container's."""

    @property
    def target(self) -> int:
        """The container's port."""


class Relay:
    """Serves the sockets of every container that was added until it is removed."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scopes: dict[str, tuple[trio.CancelScope, trio.Event]] = {}

    async def add(self, container_id: str, ports: Iterable[Relayed]) -> None:
        """Begin to serve; replaces what was served for the container before."""
        await self.remove(container_id)
        wanted = tuple(ports)
        if wanted:
            scope, ended = trio.CancelScope(), trio.Event()
            self._scopes[container_id] = scope, ended
            self._nursery.start_soon(self._serve, wanted, scope, ended)

    async def remove(self, container_id: str) -> None:
        """End every connection; idempotent.  The sockets themselves stay with their owner."""
        known = self._scopes.pop(container_id, None)
        if known is not None:
            scope, ended = known
            scope.cancel()
            await ended.wait()

    async def _serve(self, ports: tuple[Relayed, ...], scope: trio.CancelScope, ended: trio.Event) -> None:
        try:
            with scope:
                async with trio.open_nursery() as nursery:
                    for port in ports:
                        serve = _serve_stream if port.protocol == "tcp" else _serve_datagrams
                        nursery.start_soon(serve, port)
        finally:
            ended.set()


# --------------------------------------------------------------------------- connections


async def _serve_stream(port: Relayed) -> None:
    slots = trio.CapacityLimiter(_CONNECTIONS_EACH)
    async with trio.open_nursery() as nursery:
        while True:
            try:
                await trio.lowlevel.wait_readable(port.socket)
                connection, _caller = port.socket.accept()
            except BlockingIOError:
                continue  # the caller was gone before it was accepted
            except OSError:
                if port.socket.fileno() < 0:
                    return  # let go of by its owner
                await trio.sleep(0.05)  # out of descriptors: others may close theirs
                continue
            if not slots.available_tokens:
                connection.close()
                continue
            connection.setblocking(False)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
            nursery.start_soon(_carry, stream, port, slots)


async def _carry(caller: trio.SocketStream, port: Relayed, slots: trio.CapacityLimiter) -> None:
    """Both directions until both ended; a half that was closed is closed on the other side too."""
    async with slots, caller:
        try:
            with trio.fail_after(_CONNECT_SECONDS):
                container = await trio.open_tcp_stream(port.address, port.target)
        except (OSError, trio.TooSlowError):
            return
        async with container, trio.open_nursery() as nursery:
            nursery.start_soon(_pour, caller, container)
            nursery.start_soon(_pour, container, caller)


async def _pour(source: trio.SocketStream, goal: trio.SocketStream) -> None:
    try:
        while data := await source.receive_some(_CHUNK):
            await goal.send_all(data)
        await goal.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        # One side is gone for good: there is nothing to wait for on the other.
        await source.aclose()
        await goal.aclose()


# --------------------------------------------------------------------------- datagrams


async def _serve_datagrams(port: Relayed) -> None:
    """A socket of its own for each caller, so that answers find their way back."""
    sessions: dict[Address, trio.socket.SocketType] = {}
    async with trio.open_nursery() as nursery:
        while True:
            try:
                await trio.lowlevel.wait_readable(port.socket)
            except OSError:
                return  # let go of by its owner
            for _ in range(_DRAIN):
                try:
                    data, caller = port.socket.recvfrom(_CHUNK)
                except OSError:
                    break
                session = sessions.get(caller)
                if session is None:
                    if len(sessions) >= _SESSIONS_EACH:
                        continue
                    session = await _session_to(port)
                    if session is None:
                        continue
                    sessions[caller] = session
                    nursery.start_soon(_answer, port, session, caller, sessions)
                try:
                    await session.send(data)
                except OSError:
                    continue  # refused: the container does not listen


async def _session_to(port: Relayed) -> trio.socket.SocketType | None:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    made = trio.socket.socket(family, socket.SOCK_DGRAM)
    try:
        await made.connect((port.address, port.target))
    except OSError:
        made.close()
        return None
    return made


async def _answer(
    port: Relayed,
    session: trio.socket.SocketType,
    caller: Address,
    sessions: dict[Address, trio.socket.SocketType],
) -> None:
    with session:
        while True:
            with trio.move_on_after(_SESSION_SECONDS) as patience:
                try:
                    data = await session.recv(_CHUNK)
                except OSError:
                    continue  # an ICMP error about an earlier datagram
                try:
                    port.socket.sendto(data, caller)
                except OSError:
                    if port.socket.fileno() < 0:
                        break
            if patience.cancelled_caught:
                break
    sessions.pop(caller, None)
