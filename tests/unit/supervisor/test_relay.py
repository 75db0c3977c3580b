"""Callers of ``::1`` reach a server on IPv4: connections and datagrams, bounded and ended in order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import attrs
import pytest
import trio
import trio.testing

from composer.supervisor import relay


@attrs.frozen(kw_only=True)
class Port:
    socket: socket.socket
    protocol: str
    address: str
    target: int


def _holder(kind: int) -> socket.socket:
    holder = socket.socket(socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    holder.bind(("::1", 0))
    if kind == socket.SOCK_STREAM:
        holder.listen()
    return holder


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Answers each connection with what it got, in upper case, once the caller is done."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                got = b""
                while data := connection.recv(1000):
                    got += data
                connection.sendall(got.upper())

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield listener
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


async def _ask(port: int, text: bytes) -> bytes:
    async with await trio.open_tcp_stream("::1", port) as stream:
        try:
            await stream.send_all(text)
            await stream.send_eof()
            return b"".join([chunk async for chunk in stream])
        except trio.BrokenResourceError:  # the kernel may say so in either way
            return b""


async def test_connection_both_ways_with_its_halves(server: socket.socket, nursery: trio.Nursery) -> None:
    with _holder(socket.SOCK_STREAM) as holder:
        port = Port(socket=holder, protocol="tcp", address="127.0.0.1", target=server.getsockname()[1])
        served = relay.Relay(nursery)
        await served.add("c", [port])
        with trio.fail_after(5):
            assert await _ask(holder.getsockname()[1], b"hello" * 30_000) == b"HELLO" * 30_000
            assert await _ask(holder.getsockname()[1], b"again") == b"AGAIN"
        await served.remove("c")
        await served.remove("c")


async def test_container_that_does_not_listen_closes_the_call(nursery: trio.Nursery) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        target = free.getsockname()[1]
    with _holder(socket.SOCK_STREAM) as holder:
        served = relay.Relay(nursery)
        await served.add("c", [Port(socket=holder, protocol="tcp", address="127.0.0.1", target=target)])
        with trio.fail_after(5):
            assert await _ask(holder.getsockname()[1], b"hello") == b""
        await served.remove("c")


async def test_removal_ends_open_connections(server: socket.socket, nursery: trio.Nursery) -> None:
    with _holder(socket.SOCK_STREAM) as holder:
        port = Port(socket=holder, protocol="tcp", address="127.0.0.1", target=server.getsockname()[1])
        served = relay.Relay(nursery)
        await served.add("c", [port])
        async with await trio.open_tcp_stream("::1", holder.getsockname()[1]) as stream:
            await stream.send_all(b"half")
            await trio.testing.wait_all_tasks_blocked(0.05)
            await served.remove("c")
            with trio.fail_after(5):
                assert await stream.receive_some(10) in (b"", b"HALF")


async def test_datagrams_find_their_way_back(nursery: trio.Nursery) -> None:
    with (
        _holder(socket.SOCK_DGRAM) as holder,
        trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        trio.socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one,
        trio.socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as two,
    ):
        await server.bind(("127.0.0.1", 0))
        target = server.getsockname()[1]
        served = relay.Relay(nursery)
        await served.add("c", [Port(socket=holder, protocol="udp", address="127.0.0.1", target=target)])
        place = ("::1", holder.getsockname()[1])
        with trio.fail_after(5):
            for caller, text in ((one, b"1"), (two, b"2"), (one, b"3")):
                await caller.sendto(text, place)
                data, session = await server.recvfrom(100)
                await server.sendto(b"got " + data, session)
            assert [await one.recv(100), await one.recv(100)] == [b"got 1", b"got 3"]
            assert await two.recv(100) == b"got 2"
        await served.remove("c")


async def test_too_many_callers_are_turned_away(
    server: socket.socket, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_CONNECTIONS_EACH", 1)
    with _holder(socket.SOCK_STREAM) as holder:
        port = Port(socket=holder, protocol="tcp", address="127.0.0.1", target=server.getsockname()[1])
        served = relay.Relay(nursery)
        await served.add("c", [port])
        async with await trio.open_tcp_stream("::1", holder.getsockname()[1]) as first:
            await first.send_all(b"x")
            await trio.testing.wait_all_tasks_blocked(0.05)
            with trio.fail_after(5):
                async with await trio.open_tcp_stream("::1", holder.getsockname()[1]) as second:
                    assert await second.receive_some(10) == b""
        await served.remove("c")
