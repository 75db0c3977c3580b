"""DNS packets."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.network import dnswire


def question(
    name: str,
    kind: int = dnswire.TYPE_A,
    *,
    identity: int = 7,
    flags: int = 0x100,
    tail: bytes = b"",
    additional: int = 0,
) -> bytes:
    header = struct.pack("!HHHHHH", identity, flags, 1, 0, 0, additional)
    return header + dnswire.pack_name(name) + struct.pack("!HH", kind, 1) + tail


def options(size: int) -> bytes:
    return struct.pack("!BHHLH", 0, dnswire.TYPE_OPT, size, 0, 0)


def test_question_is_parsed() -> None:
    query = dnswire.parse_query(question("Web.Front"))
    assert query is not None
    assert (query.id, query.name, query.kind, query.kind_class) == (7, "web.front", 1, 1)
    assert query.recursion_desired
    assert not query.has_options
    assert query.limit == 512


@pytest.mark.parametrize(("offered", "limit"), [(0, 512), (1232, 1232), (65535, 4096)])
def test_options_give_the_limit(offered: int, limit: int) -> None:
    query = dnswire.parse_query(question("web", tail=options(offered), additional=1))
    assert query is not None
    assert (query.has_options, query.limit) == (True, limit)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0" * 11,
        question("web")[:-1],
        question("web", flags=0x8100),
        struct.pack("!HHHHHH", 1, 0x100, 0, 0, 0, 0),
        struct.pack("!HHHHHH", 1, 0x100, 2, 0, 0, 0) + b"\1a\0\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x100, 1, 1, 0, 0) + b"\1a\0\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\x3fa\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",
    ],
    ids=["empty", "short", "cut", "answer", "none", "two", "records", "pointer", "past-end", "long-name"],
)
def test_malformed_is_nothing(packet: bytes) -> None:
    assert dnswire.parse_query(packet) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_survived(packet: bytes) -> None:
    dnswire.parse_query(packet)
    dnswire.parse_query(question("web")[:12] + packet)


def test_answer_holds_the_addresses() -> None:
    query = dnswire.parse_query(question("web"))
    assert query is not None
    packet = dnswire.answer(query, [socket.inet_aton("10.0.0.2"), socket.inet_aton("10.0.0.3")], limit=512)
    identity, flags, questions, answers, _, additional = struct.unpack_from("!HHHHHH", packet)
    assert (identity, questions, answers, additional) == (7, 1, 2, 0)
    assert flags == 0x8000 | 0x0400 | 0x0100 | 0x0080
    first = packet[12 + len(query.question) :][:16]
    assert first == struct.pack("!HHHLH", 0xC00C, 1, 1, dnswire.TTL, 4) + bytes([10, 0, 0, 2])
    assert dnswire.is_answer_to(packet, 7, query)


def test_too_many_addresses_are_marked_truncated() -> None:
    query = dnswire.parse_query(question("web"))
    assert query is not None
    many = [bytes([10, 0, 0, number]) for number in range(100)]
    packet = dnswire.answer(query, many, limit=512)
    assert len(packet) <= 512
    assert struct.unpack_from("!H", packet, 2)[0] & 0x0200
    assert struct.unpack_from("!H", packet, 6)[0] == 30
    whole = dnswire.answer(query, many)
    assert not struct.unpack_from("!H", whole, 2)[0] & 0x0200
    assert struct.unpack_from("!H", whole, 6)[0] == 100


def test_options_are_answered_and_counted() -> None:
    query = dnswire.parse_query(question("web", tail=options(512), additional=1))
    assert query is not None
    packet = dnswire.answer(query, [bytes([10, 0, 0, n]) for n in range(100)], limit=512)
    assert len(packet) <= 512
    assert struct.unpack_from("!H", packet, 10)[0] == 1
    assert packet.endswith(options(dnswire.LARGEST_LIMIT))


def test_refusal() -> None:
    query = dnswire.parse_query(question("web"))
    assert query is not None
    packet = dnswire.refusal(query, dnswire.NO_SUCH_NAME)
    assert dnswire.code_of(packet) == dnswire.NO_SUCH_NAME
    assert packet[12:] == query.question


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        (lambda packet: packet, True),
        (lambda packet: dnswire.with_id(packet, 8), False),
        (lambda packet: packet[:2] + b"\x01\x00" + packet[4:], False),
        (lambda packet: packet.replace(b"\3web", b"\3wob"), False),
        (lambda packet: packet.replace(b"\3web", b"\3WEB"), True),
        (lambda packet: packet[:11], False),
    ],
)
def test_only_the_answer_to_our_question_counts(change, *, fits: bool) -> None:
    query = dnswire.parse_query(question("web"))
    assert query is not None
    assert dnswire.is_answer_to(change(dnswire.refusal(query, 0)), 7, query) is fits


def test_pack_name_is_bounded() -> None:
    assert dnswire.pack_name("a.bc") == b"\1a\2bc\0"
    assert dnswire.pack_name("") == b"\0"
    assert len(dnswire.pack_name(".".join(["x" * 80] * 9))) <= 255
