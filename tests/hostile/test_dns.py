"""D1: what a container may send to the name server, and what it must never learn from it."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from composer.network import dnswire, zone
from tests.unit.supervisor.test_resolver import ENTRIES, question, serving

WEB = ["10.0.0.2", "10.0.0.3"]
HEADER = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0)
TAIL = struct.pack("!HH", dnswire.TYPE_A, dnswire.CLASS_IN)

ATTACKS: dict[str, bytes] = {
    "nothing": b"",
    "half a header": HEADER[:5],
    "no question": struct.pack("!HHHHHH", 7, 0x0100, 0, 0, 0, 0),
    "many questions": struct.pack("!HHHHHH", 7, 0x0100, 65535, 0, 0, 0) + b"\3web\0" + TAIL,
    "an answer": struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + b"\3web\0" + TAIL,
    "a pointer to itself": HEADER + b"\xc0\x0c" + TAIL,
    "two pointers to each other": HEADER + b"\xc0\x0e\xc0\x0c" + TAIL,
    "a pointer into the header": HEADER + b"\3web\xc0\x00" + TAIL,
    "a pointer beyond the end": HEADER + b"\xff\xff" + TAIL,
    "a label of a reserved kind": HEADER + b"\x80web\0" + TAIL,
    "a label beyond the end": HEADER + b"\x3fweb",
    "a name that never ends": HEADER + b"\1a" * 2000,
    "a name of 256 bytes": HEADER + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0" + TAIL,
    "no type": HEADER + b"\3web\0",
    "64 KB of zeros": HEADER + bytes(60_000),
    "64 KB behind a question": HEADER + b"\3web\0" + TAIL + b"\xff" * 60_000,
    "an option that lies": struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 1) + b"\3web\0" + TAIL
    + struct.pack("!BHHLH", 0, dnswire.TYPE_OPT, 65535, 0, 65535),
    "control characters": HEADER + b"\x06we\0\x1b\n\xff\0" + TAIL,
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_the_server_goes_on(tmp_path: Path, name: str) -> None:
    packet = ATTACKS[name]
    async with serving(tmp_path) as served:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as client:
            await client.connect(("127.0.0.1", served.port))
            for _ in range(3):
                await client.send(packet)
            assert sorted((await served.ask("web"))[1]) == WEB
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(struct.pack("!H", len(packet)) + packet)
            assert sorted((await served.ask("web"))[1]) == WEB
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(struct.pack("!H", 65535) + b"x")  # and the rest never comes
            assert sorted((await served.ask_over_tcp("web"))[0][1]) == WEB


async def test_thousands_of_damaged_questions(tmp_path: Path) -> None:
    """Each a real question with a few bytes changed, cut short or repeated."""
    chance = random.Random(11)
    async with serving(tmp_path) as served:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as client:
            await client.connect(("127.0.0.1", served.port))
            for _ in range(2000):
                packet = bytearray(question(chance.choice(["web", "db", "shop-web-1", "web.front"])))
                for _ in range(chance.randrange(1, 6)):
                    packet[chance.randrange(len(packet))] = chance.randrange(256)
                await client.send(
                    bytes(packet[: chance.randrange(1, len(packet) + 1)]) * chance.choice([1, 1, 3])
                )
        assert sorted((await served.ask("web"))[1]) == WEB


@pytest.mark.parametrize("name", ["db", "shop-db-1", "db.back", "DB", "db.", "db.front"])
async def test_names_of_others_are_not_told(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path, asker="web1") as served:
        code, addresses, _ = await served.ask(name)
        assert addresses == [] or name == "db.front"
        if name != "db.front":
            assert (code, served.upstream.asked) == (dnswire.NO_SUCH_NAME, [])
        reverse, names, _ = await served.ask("2.1.0.10.in-addr.arpa", dnswire.TYPE_PTR)
        assert (reverse, names) != (0, ["shop-db-1.back"])


async def test_upstream_that_is_down_is_a_failure_in_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("composer.supervisor.resolver._UPSTREAM_SECONDS", 0.05)
    async with serving(tmp_path) as served:
        served.upstream.is_mute = True
        with trio.fail_after(5):
            assert (await served.ask("example.org"))[0] == dnswire.SERVER_FAILURE
        assert sorted((await served.ask("web"))[1]) == WEB


@given(st.binary(max_size=600))
def test_no_bytes_make_the_parser_fail(packet: bytes) -> None:
    query = dnswire.parse_query(packet)
    if query is not None:
        assert len(query.name) <= 255
        answer = dnswire.answer(query, [bytes(4)] * 40, limit=query.limit)
        assert len(answer) <= max(query.limit, dnswire.SMALLEST_LIMIT)
        assert dnswire.is_answer_to(answer, query.id, query)


@given(st.text(max_size=120))
def test_no_name_makes_the_zone_fail(name: str) -> None:
    made = zone.zone_of(ENTRIES, frozenset({"back"}))
    assert made.addresses("web1", name) == () or name.lower().rstrip(".") in made.views["web1"]
    assert "." in zone.address_in(name) or ":" in zone.address_in(name) or zone.address_in(name) == ""


@given(st.ip_addresses())
def test_every_address_is_found_in_its_reverse_name(address: object) -> None:
    assert zone.address_in(address.reverse_pointer) == str(address)  # type: ignore[attr-defined]
