"""The DNS server over real sockets on loopback, with scripted name servers above it."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from composer import errors
from composer.host import netlink, netns
from composer.network import dnswire
from composer.network.zone import Zone, ZoneEntry, zone_of
from composer.supervisor import resolver

ENTRIES = [
    ZoneEntry(container_id="web1", network="front", address="10.0.0.2", names=("shop-web-1", "web")),
    ZoneEntry(container_id="web2", network="front", address="10.0.0.3", names=("shop-web-2", "web")),
    ZoneEntry(container_id="db", network="back", address="10.0.1.2", names=("shop-db-1", "db")),
]
NAMES_OF_MANY = [
    ZoneEntry(container_id=f"m{n}", network="front", address=f"10.0.2.{n}", names=("many",))
    for n in range(1, 100)
]


@attrs.define
class Source:
    """A zone that a test changes."""

    entries: list[ZoneEntry]
    zone_version: int = 0
    reads: int = 0

    def zone(self, stack: str) -> Zone:
        assert stack == "shop"
        self.reads += 1
        return zone_of(self.entries, frozenset({"back"}))


@attrs.define
class Upstream:
    """A name server that answers every A question with 192.0.2.53, or as its ``code`` says."""

    sockets: tuple[socket.socket, socket.socket]
    asked: list[str] = attrs.field(factory=list)
    code: int = 0
    is_mute: bool = False
    forged: bool = False

    @property
    def port(self) -> int:
        return self.sockets[0].getsockname()[1]

    def reply_to(self, packet: bytes) -> bytes:
        query = dnswire.parse_query(packet)
        assert query is not None
        self.asked.append(query.name)
        if self.code:
            return dnswire.refusal(query, self.code)
        return dnswire.answer(query, [bytes([192, 0, 2, 53])])

    async def serve(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve_datagrams)
            nursery.start_soon(self._serve_connections)

    async def _serve_datagrams(self) -> None:
        endpoint = trio.socket.from_stdlib_socket(self.sockets[0])
        while True:
            packet, address = await endpoint.recvfrom(4096)
            reply = self.reply_to(packet)
            if self.is_mute:
                continue
            if self.forged:
                wrong = struct.unpack("!H", packet[:2])[0] ^ 1
                await endpoint.sendto(dnswire.with_id(reply.replace(b"5", b"6"), wrong), address)
            await endpoint.sendto(reply, address)

    async def _serve_connections(self) -> None:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.sockets[1]))
        while True:
            async with await listener.accept() as stream:
                length = struct.unpack("!H", await stream.receive_some(2))[0]
                reply = self.reply_to(await stream.receive_some(length))
                await stream.send_all(struct.pack("!H", len(reply)) + reply)


class Served:
    """A resolver with one asker on a loopback port."""

    def __init__(self, made: resolver.Resolver, port: int, source: Source, upstream: Upstream) -> None:
        self.resolver = made
        self.port = port
        self.source = source
        self.upstream = upstream

    async def ask(
        self, name: str, kind: int = dnswire.TYPE_A, *, identity: int = 99
    ) -> tuple[int, list[str], int]:
        """Code, addresses and flags of the answer over UDP."""
        reply = await self.ask_raw(name, kind, identity=identity)
        return unpacked(reply, len(question(name, kind, identity)))

    async def ask_raw(self, name: str, kind: int, *, identity: int = 99) -> bytes:
        """The answer itself."""
        packet = question(name, kind, identity)
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as client:
            await client.connect(("127.0.0.1", self.port))
            await client.send(packet)
            with trio.fail_after(10):
                reply = await client.recv(4096)
        assert reply[:2] == packet[:2]
        return reply

    async def ask_over_tcp(self, *names: str) -> list[tuple[int, list[str], int]]:
        """The same over one connection."""
        found = []
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            for name in names:
                packet = question(name)
                await stream.send_all(struct.pack("!H", len(packet)) + packet)
                with trio.fail_after(10):
                    data = await stream.receive_some(65535)
                    while len(data) < 2 + struct.unpack("!H", data[:2])[0]:
                        data += await stream.receive_some(65535)
                found.append(unpacked(data[2:], len(packet)))
        return found


def question(name: str, kind: int = dnswire.TYPE_A, identity: int = 99) -> bytes:
    header = struct.pack("!HHHHHH", identity, 0x100, 1, 0, 0, 0)
    return header + dnswire.pack_name(name) + struct.pack("!HH", kind, 1)


def unpacked(reply: bytes, length: int) -> tuple[int, list[str], int]:
    flags, _, answers = struct.unpack_from("!HHH", reply, 2)
    addresses = [socket.inet_ntoa(reply[length + 16 * n + 12 : length + 16 * n + 16]) for n in range(answers)]
    return flags & 0xF, addresses, flags


def bound() -> tuple[socket.socket, socket.socket]:
    """Both sockets on a port of the kernel's choice, which it may have given away for TCP already."""
    for _ in range(20):
        try:
            return resolver._bind("127.0.0.1", 0)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    pytest.fail("no port is free for both protocols")


@asynccontextmanager
async def serving(tmp_path: Path, asker: str = "web1", entries=None, servers: str = "nameserver 127.0.0.1\n"):
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text(servers)
    upstream = Upstream(bound())
    source = Source(list(ENTRIES if entries is None else entries))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(upstream.serve)
        made = resolver.Resolver(
            source, "shop", nursery, resolv_conf=str(resolv_conf), upstream_port=upstream.port
        )
        sockets = bound()
        port = sockets[0].getsockname()[1]
        await made.serve(asker, *sockets)
        yield Served(made, port, source, upstream)
        await made.remove(asker)
        assert [one.fileno() for one in sockets] == [-1, -1]
        nursery.cancel_scope.cancel()
    for one in upstream.sockets:
        one.close()


async def test_all_addresses_of_a_service_in_turn(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        answers = [(await served.ask("web"))[1] for _ in range(2)]
        assert sorted(answers[0]) == ["10.0.0.2", "10.0.0.3"]
        assert answers[0] == answers[1][::-1]
        assert served.upstream.asked == []


async def test_known_name_has_no_ipv6_address_but_exists(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert (await served.ask("web", dnswire.TYPE_AAAA))[:2] == (dnswire.NO_ERROR, [])
        assert served.upstream.asked == []


async def test_names_of_other_networks_do_not_exist_and_never_leave(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert (await served.ask("db"))[0] == dnswire.NO_SUCH_NAME
        assert (await served.ask("db", dnswire.TYPE_AAAA))[0] == dnswire.NO_SUCH_NAME
        assert served.upstream.asked == []


async def test_reverse_name(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        code, _, flags = await served.ask("3.0.0.10.in-addr.arpa", dnswire.TYPE_PTR)
        assert code == dnswire.NO_ERROR
        assert flags & 0x0400


async def test_world_is_asked_of_the_hosts_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert (await served.ask("example.org", identity=1234))[:2] == (0, ["192.0.2.53"])
        assert served.upstream.asked == ["example.org"]


async def test_forged_answer_is_not_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.upstream.forged = True
        assert (await served.ask("example.org"))[1] == ["192.0.2.53"]


async def test_confined_asker_gets_nothing_of_the_world(tmp_path: Path) -> None:
    async with serving(tmp_path, asker="db") as served:
        assert (await served.ask("example.org"))[0] == dnswire.NO_SUCH_NAME
        assert (await served.ask("db"))[1] == ["10.0.1.2"]
        assert served.upstream.asked == []


async def test_next_server_is_asked_when_one_does_not_listen(tmp_path: Path) -> None:
    servers = "nameserver 127.0.0.9\nnameserver 127.0.0.1\n"
    async with serving(tmp_path, servers=servers) as served:
        assert (await served.ask("example.org"))[1] == ["192.0.2.53"]


async def test_failure_above_is_handed_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        served.upstream.code = dnswire.SERVER_FAILURE
        assert (await served.ask("example.org"))[0] == dnswire.SERVER_FAILURE
        served.upstream.code = dnswire.NO_SUCH_NAME
        assert (await served.ask("example.org"))[0] == dnswire.NO_SUCH_NAME


async def test_no_server_at_all_is_a_failure_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, servers="") as served:
        assert (await served.ask("example.org"))[0] == dnswire.SERVER_FAILURE


async def test_mute_server_holds_up_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "_UPSTREAM_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        served.upstream.is_mute = True
        async with trio.open_nursery() as nursery:
            codes: list[int] = []

            async def ask_the_world() -> None:
                codes.append((await served.ask("example.org"))[0])

            nursery.start_soon(ask_the_world)
            assert (await served.ask("web"))[0] == dnswire.NO_ERROR
        assert codes == [dnswire.SERVER_FAILURE]


async def test_change_shows_in_the_next_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert len((await served.ask("web"))[1]) == 2
        served.source.entries.append(attrs.evolve(ENTRIES[0], container_id="web3", address="10.0.0.4"))
        served.source.zone_version += 1
        assert len((await served.ask("web"))[1]) == 3
        before = served.source.reads
        await served.ask("web")
        assert served.source.reads == before


async def test_long_answer_goes_over_tcp(tmp_path: Path) -> None:
    async with serving(tmp_path, entries=[*ENTRIES, *NAMES_OF_MANY]) as served:
        _, addresses, flags = await served.ask("many")
        assert flags & 0x0200
        assert 0 < len(addresses) < 99
        many, world, unknown = await served.ask_over_tcp("many", "example.org", "db")
        assert len(set(many[1])) == 99
        assert world[1] == ["192.0.2.53"]
        assert unknown[0] == dnswire.NO_SUCH_NAME


async def test_rubbish_is_dropped_and_service_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
            for packet in (b"", b"x", os.urandom(40), question("web")[:-2], b"\xff" * 512):
                rude.sendto(packet, ("127.0.0.1", served.port))
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(b"\0\3abc")
            with trio.fail_after(10):
                assert await stream.receive_some(10) == b""
        assert (await served.ask("web"))[0] == dnswire.NO_ERROR


async def test_other_operations_are_not_implemented(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        packet = bytearray(question("web"))
        packet[2] |= 0x28
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as client:
            await client.connect(("127.0.0.1", served.port))
            await client.send(bytes(packet))
            with trio.fail_after(10):
                assert dnswire.code_of(await client.recv(512)) == dnswire.NOT_IMPLEMENTED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("nameserver 192.0.2.1\nnameserver 192.0.2.1\n# nameserver 9.9.9.9\n", ("192.0.2.1",)),
        ("search x\nnameserver 127.0.0.53\nnameserver fe80::1%eth0 # c\n", ("127.0.0.53", "fe80::1%eth0")),
        ("nameserver\nnameserver 127.0.0.11\n", ()),
    ],
)
def test_name_servers_in(text: str, expected: tuple[str, ...]) -> None:
    assert resolver.name_servers_in(text) == expected


@pytest.mark.root
async def test_inside_a_namespace(tmp_path: Path) -> None:
    def up(_descriptor: int) -> None:
        with netlink.Netlink() as kernel:
            kernel.change([netlink.set_up("lo")])

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(question("web"), (resolver.ADDRESS, resolver.PORT))
            return client.recv(512)

    namespace = netns.make(up)
    sleeper = netns.run_in(namespace.descriptor, lambda: subprocess.Popen(["sleep", "60"]))
    try:
        async with trio.open_nursery() as nursery:
            made = resolver.Resolver(Source(list(ENTRIES)), "shop", nursery)
            for _ in range(2):  # adding again replaces
                await made.add("web1", sleeper.pid)
                reply = await trio.to_thread.run_sync(netns.run_in, namespace.descriptor, ask)
                assert len(unpacked(reply, len(question("web")))[1]) == 2
            await made.remove("web1")
            await made.remove("web1")
            with pytest.raises(errors.NetworkFailure):
                await made.add("gone", 999999999)
            nursery.cancel_scope.cancel()
    finally:
        sleeper.kill()
        sleeper.wait()
        namespace.close()


DUAL = [
    ZoneEntry(
        container_id="web1",
        network="front",
        address="10.0.0.2",
        address6="fd00::2",
        names=("shop-web-1", "web"),
    ),
    ZoneEntry(container_id="web2", network="front", address6="fd00::3", names=("shop-web-2", "web")),
]


async def test_addresses_of_both_families(tmp_path: Path) -> None:
    async with serving(tmp_path, entries=DUAL) as served:
        assert (await served.ask("web"))[1] == ["10.0.0.2"]
        answers = [(await served.ask_raw("web", dnswire.TYPE_AAAA)) for _ in range(4)]
        addresses = [socket.inet_pton(socket.AF_INET6, address) for address in ("fd00::2", "fd00::3")]
        assert all(address in answer for answer in answers for address in addresses)
        assert len({answer.index(addresses[0]) for answer in answers}) == 2, "they take turns"
        assert (await served.ask("shop-web-2"))[:2] == (0, []), "it exists, without IPv4"
        name = "".join(f"{nibble}." for nibble in reversed("fd00" + "0" * 27 + "3")) + "ip6.arpa"
        assert b"shop-web-2" in await served.ask_raw(name, dnswire.TYPE_PTR)


async def test_any_type_is_answered_with_addresses(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        reply = await served.ask_raw("web", dnswire.TYPE_ANY)
        kind = struct.unpack_from("!H", reply, len(question("web")) + 2)[0]
        assert kind == dnswire.TYPE_A


async def test_link_of_the_asker_alone(tmp_path: Path) -> None:
    entries = [*ENTRIES[:1], attrs.evolve(ENTRIES[1], links={"cache": "web"})]
    async with serving(tmp_path, asker="web2", entries=entries) as served:
        assert sorted((await served.ask("cache"))[1]) == ["10.0.0.2", "10.0.0.3"]
    async with serving(tmp_path, asker="web1", entries=entries) as served:
        await served.ask("cache")
        assert served.upstream.asked == ["cache"], "a name of the world, for everybody else"
