"""DNS for containers: a server at 127.0.0.11:53 inside each container's network namespace.

The sockets are made inside the namespace and served from the supervisor's loop, so the socket itself
says who asks: there is no address to forge, no port of the host to conflict with, and a name is only
answered to containers on a network of its owner.  Names that are not the stack's go to the host's
name servers, from the host's namespace, unless the asker is confined to internal networks.

Everything is bounded: forwards at once (of all containers, and of each), connections per container,
seconds per question, datagrams per wake-up.  A packet that is no proper question is dropped.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import struct
import traceback
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from composer import errors
from composer.host import netns
from composer.network import dnswire

if TYPE_CHECKING:
    from composer.network.zone import Zone

ADDRESS = "127.0.0.11"
PORT = 53

RESOLV_CONF = "/etc/resolv.conf"

_ZONE_SECONDS = 1.0
"""How old the zone may be: networks shared with other stacks change in other processes."""

_FORWARDS, _FORWARDS_EACH = 512, 64
_CONNECTIONS_EACH = 16
_DRAIN = 64
_UPSTREAM_SECONDS = 2.5
_ROUNDS = 2
_IDLE_SECONDS = 10.0
_BACKLOG = 64
_DATAGRAM = 4096
_BIND_ATTEMPTS, _BIND_PAUSE = 100, 0.02


_FAMILY_OF_KIND = {
    dnswire.TYPE_A: socket.AF_INET,
    dnswire.TYPE_ANY: socket.AF_INET,
    dnswire.TYPE_AAAA: socket.AF_INET6,
}


class ZoneSource(Protocol):
    """Where names come from (``network.driver.LinuxNetwork``)."""

    zone_version: int

    def zone(self, stack: str) -> Zone:
        """What DNS answers to the stack's containers."""


class _Served:
    """One container's sockets and the scope in which they are served."""

    def __init__(
        self, datagrams: socket.socket, listener: socket.socket, servers: tuple[str, ...] = ()
    ) -> None:
        self.datagrams = datagrams
        self.servers = servers
        self.listener = listener
        self.scope = trio.CancelScope()
        self.forwards = trio.CapacityLimiter(_FORWARDS_EACH)
        self.connections = trio.CapacityLimiter(_CONNECTIONS_EACH)
        self.turn = 0
        self.ended = trio.Event()

    def close(self) -> None:
        self.scope.cancel()
        for one in (self.datagrams, self.listener):
            if one.fileno() >= 0:
                trio.lowlevel.notify_closing(one)
                one.close()


class Resolver:
    """Serves every container that was added until it is removed; lives in the supervisor's nursery."""

    def __init__(
        self,
        source: ZoneSource,
        stack: str,
        nursery: trio.Nursery,
        *,
        resolv_conf: str = RESOLV_CONF,
        upstream_port: int = PORT,
    ) -> None:
        self._source = source
        self._stack = stack
        self._nursery = nursery
        self._upstreams = Upstreams(resolv_conf, upstream_port)
        self._served: dict[str, _Served] = {}
        self._forwards = trio.CapacityLimiter(_FORWARDS)
        self._refreshing = trio.Lock()
        self._zone: Zone | None = None
        self._zone_version = -1
        self._zone_time = 0.0

    async def add(self, container_id: str, pid: int, servers: tuple[str, ...] = ()) -> None:
        """Begin to answer inside the network namespace of process ``pid``; replaces a former server.

        ``servers`` are asked in place of the host's (``dns``).
        Raises ``NetworkFailure`` when the namespace is gone or something else listens there.
        """
        await self.remove(container_id)
        for _ in range(_BIND_ATTEMPTS):
            sockets = await trio.to_thread.run_sync(_bind_in_namespace_of, pid)
            if sockets is not None:
                break
            # A predecessor that was just killed may not have let go of its sockets yet.
            await trio.sleep(_BIND_PAUSE)
        else:
            message = f"DNS for {container_id[:12]}: {ADDRESS}:{PORT} is in use inside the container"
            raise errors.NetworkFailure(message)
        await self.serve(container_id, *sockets, servers=servers)

    async def serve(
        self,
        container_id: str,
        datagrams: socket.socket,
        listener: socket.socket,
        servers: tuple[str, ...] = (),
    ) -> None:
        """Answer on sockets that are bound already (non-blocking)."""
        served = _Served(datagrams, listener, servers)
        self._served[container_id] = served
        self._nursery.start_soon(self._serve, container_id, served)

    async def remove(self, container_id: str) -> None:
        """Close the container's sockets (they keep its namespace alive); idempotent."""
        served = self._served.pop(container_id, None)
        if served is not None:
            served.close()
            await served.ended.wait()

    async def _serve(self, container_id: str, served: _Served) -> None:
        try:
            with served.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._serve_datagrams, container_id, served, nursery)
                    nursery.start_soon(self._serve_connections, container_id, served, nursery)
        except* (OSError, ValueError):
            # A socket that was closed between two waits; anything else is worth a line in our log.
            if not served.scope.cancel_called:
                traceback.print_exc()
        finally:
            served.close()
            served.ended.set()

    # ------------------------------------------------------------------ transports

    async def _serve_datagrams(self, asker: str, served: _Served, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(served.datagrams)
            zone = await self._current_zone()
            for _ in range(_DRAIN):
                try:
                    packet, address = served.datagrams.recvfrom(_DATAGRAM)
                except BlockingIOError:
                    break
                except OSError:  # an ICMP error about an earlier answer: it says nothing of this one
                    continue
                query = dnswire.parse_query(packet)
                if query is None:
                    continue
                reply = self._own_answer(zone, asker, served, query, limit=query.limit)
                if reply is not None:
                    _send(served.datagrams, reply, address)
                elif served.forwards.available_tokens and self._forwards.available_tokens:
                    nursery.start_soon(self._forward_datagram, served, packet, query, address)
                else:
                    _send(served.datagrams, dnswire.refusal(query, dnswire.SERVER_FAILURE), address)

    async def _forward_datagram(
        self, served: _Served, packet: bytes, query: dnswire.Query, address: tuple[str, int]
    ) -> None:
        async with served.forwards, self._forwards:
            reply = await self._upstreams.ask(packet, query, over_tcp=False, servers=served.servers)
        _send(served.datagrams, reply or dnswire.refusal(query, dnswire.SERVER_FAILURE), address)

    async def _serve_connections(self, asker: str, served: _Served, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(served.listener)
            try:
                connection, _address = served.listener.accept()
            except OSError:
                continue  # the caller was gone before it was accepted
            if not served.connections.available_tokens:
                connection.close()
                continue
            connection.setblocking(False)
            stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
            nursery.start_soon(self._serve_connection, asker, served, stream)

    async def _serve_connection(self, asker: str, served: _Served, stream: trio.SocketStream) -> None:
        async with served.connections, stream:
            try:
                while True:
                    with trio.fail_after(_IDLE_SECONDS):
                        packet = await _receive_framed(stream)
                    query = dnswire.parse_query(packet) if packet else None
                    if query is None:
                        return
                    zone = await self._current_zone()
                    reply = self._own_answer(zone, asker, served, query, limit=None)
                    if reply is None:
                        async with served.forwards, self._forwards:
                            reply = await self._upstreams.ask(
                                packet, query, over_tcp=True, servers=served.servers
                            )
                    reply = reply or dnswire.refusal(query, dnswire.SERVER_FAILURE)
                    with trio.fail_after(_IDLE_SECONDS):
                        await stream.send_all(struct.pack("!H", len(reply)) + reply)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                return

    # ------------------------------------------------------------------ answers

    def _own_answer(
        self, zone: Zone, asker: str, served: _Served, query: dnswire.Query, *, limit: int | None
    ) -> bytes | None:
        """Our answer, or ``None`` when the question is one for the world.

        The addresses of a scaled service take turns in coming first.
        """
        if query.opcode:
            return dnswire.refusal(query, dnswire.NOT_IMPLEMENTED)
        if query.kind_class == dnswire.CLASS_IN:
            addresses = zone.addresses(asker, query.name)
            if addresses:
                return self._addresses_answer(served, query, addresses, limit)
            if query.kind == dnswire.TYPE_PTR and (name := zone.name_of(asker, query.name)):
                return dnswire.answer(query, [dnswire.pack_name(name)], limit=limit)
        if zone.is_ours(asker, query.name) or zone.is_confined(asker):
            return dnswire.refusal(query, dnswire.NO_SUCH_NAME)
        return None

    def _addresses_answer(
        self, served: _Served, query: dnswire.Query, addresses: tuple[str, ...], limit: int | None
    ) -> bytes:
        """The addresses of the family asked for; none of it is an answer too: there is nobody else to ask."""
        family = _FAMILY_OF_KIND.get(query.kind)
        own = tuple(address for address in addresses if family is not None and _family_of(address) == family)
        if not own:
            return dnswire.answer(query, [], limit=limit)
        served.turn += 1
        first = served.turn % len(own)
        records = [socket.inet_pton(_family_of(address), address) for address in own[first:] + own[:first]]
        return dnswire.answer(query, records, limit=limit)

    async def _current_zone(self) -> Zone:
        """The zone, read again (in a thread) when this process changed it or it is a second old."""
        if self._is_fresh() and self._zone is not None:
            return self._zone
        async with self._refreshing:
            if not self._is_fresh() or self._zone is None:
                version = self._source.zone_version
                self._zone = await trio.to_thread.run_sync(partial(self._source.zone, self._stack))
                self._zone_version = version
                self._zone_time = trio.current_time()
            return self._zone

    def _is_fresh(self) -> bool:
        is_young = trio.current_time() - self._zone_time < _ZONE_SECONDS
        return is_young and self._zone_version == self._source.zone_version


class Upstreams:
    """The host's name servers, as its ``resolv.conf`` says at the moment (resolv.conf(5))."""

    def __init__(self, path: str, port: int) -> None:
        self._path = path
        self._port = port
        self._stamp: tuple[int, int] | None = None
        self._servers: tuple[str, ...] = ()

    def servers(self) -> tuple[str, ...]:
        """Their addresses, in order; read again when the file changed."""
        try:
            status = os.stat(self._path)  # a memory lookup: no reason for a thread
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._servers = name_servers_in(file.read())
                self._stamp = stamp
        except OSError:
            return ()
        return self._servers

    async def ask(
        self, packet: bytes, query: dnswire.Query, *, over_tcp: bool, servers: tuple[str, ...] = ()
    ) -> bytes | None:
        """What the first server that answers says, under the asker's id; ``None`` when none does.

        ``servers`` in place of the host's, where there are any.
        Each question goes from a port and under an id of its own (RFC 5452).  A server that fails
        is passed over for the next, its failure handed on when no other did better.
        """
        failed: bytes | None = None
        servers = servers or self.servers()
        for _ in range(_ROUNDS):
            for server in servers:
                identity = secrets.randbelow(1 << 16)
                question = dnswire.with_id(packet, identity)
                exchange = self._exchange_tcp if over_tcp else self._exchange_udp
                reply = None
                with trio.move_on_after(_UPSTREAM_SECONDS):
                    reply = await exchange(server, question, identity, query)
                if reply is None:
                    continue
                reply = dnswire.with_id(reply, query.id)
                if dnswire.code_of(reply) not in (dnswire.SERVER_FAILURE, dnswire.REFUSED):
                    return reply
                failed = reply
            if failed is not None:
                break
        return failed

    async def _exchange_udp(
        self, server: str, question: bytes, identity: int, query: dnswire.Query
    ) -> bytes | None:
        try:
            with trio.socket.socket(_family_of(server), trio.socket.SOCK_DGRAM) as upstream:
                await upstream.connect(_target(server, self._port))
                await upstream.send(question)
                while True:
                    reply = bytes(await upstream.recv(65535))
                    if dnswire.is_answer_to(reply, identity, query):
                        return reply
        except OSError:
            return None

    async def _exchange_tcp(
        self, server: str, question: bytes, identity: int, query: dnswire.Query
    ) -> bytes | None:
        try:
            upstream = trio.socket.socket(_family_of(server), trio.socket.SOCK_STREAM)
            with upstream:
                await upstream.connect(_target(server, self._port))
                stream = trio.SocketStream(upstream)
                await stream.send_all(struct.pack("!H", len(question)) + question)
                reply = await _receive_framed(stream)
        except (OSError, trio.BrokenResourceError):
            return None
        return reply if dnswire.is_answer_to(reply, identity, query) else None


def name_servers_in(text: str) -> tuple[str, ...]:
    """The ``nameserver`` lines of a ``resolv.conf`` (loopback ones too: we ask from the host)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and words[1] != ADDRESS:
            found.append(words[1])
    return tuple(dict.fromkeys(found))


def _family_of(server: str) -> int:
    return socket.AF_INET6 if ":" in server else socket.AF_INET


def _target(server: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    address, _, scope = server.partition("%")
    if ":" not in address:
        return (address, port)
    try:
        return (address, port, 0, socket.if_nametoindex(scope) if scope else 0)
    except OSError:
        return (address, port, 0, 0)


def _bind_in_namespace_of(pid: int) -> tuple[socket.socket, socket.socket] | None:
    """UDP and TCP sockets inside the namespace; ``None`` when the address is in use there."""
    descriptor = netns.open_of(pid)
    try:
        return netns.run_in(descriptor, _bind)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        message = f"DNS in the namespace of process {pid}: {error.strerror}"
        raise errors.NetworkFailure(message) from error
    finally:
        os.close(descriptor)


def _bind(address: str = ADDRESS, port: int = PORT) -> tuple[socket.socket, socket.socket]:
    """Bind both; port 0 lets the kernel choose one for the two.

    Reuse is allowed so that a container may run a name server of its own on every address (those
    that set ``SO_REUSEPORT``, as most do).
    """
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        _allow_reuse(datagrams)
        datagrams.bind((address, port))
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            _allow_reuse(listener)
            listener.bind((address, datagrams.getsockname()[1]))
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError:
        datagrams.close()
        raise
    return datagrams, listener


def _allow_reuse(one: socket.socket) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _send(datagrams: socket.socket, reply: bytes, address: tuple[str, int]) -> None:
    """Send an answer; a caller that is gone or whose buffer is full asks again by itself."""
    if datagrams.fileno() < 0:
        return
    try:
        datagrams.sendto(reply, address)
    except OSError:
        return


async def _receive_framed(stream: trio.SocketStream) -> bytes:
    """One length-prefixed packet (RFC 1035, section 4.2.2); empty when the other side is done."""
    length = await _receive_exactly(stream, 2)
    return await _receive_exactly(stream, struct.unpack("!H", length)[0]) if length else b""


async def _receive_exactly(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = await stream.receive_some(count - len(data))
        if not chunk:
            return b""
        data += chunk
    return data
