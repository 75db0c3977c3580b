"""DNS packets, packed and parsed by hand (RFC 1035, RFC 6891): pure, and bounded by construction.

Only questions are parsed.  A name in a question is a plain sequence of labels here: a compression
pointer in one is refused, so no packet can make the parser go round.  Answers of other servers are
passed on as they are; only their id and question are compared.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import attrs

TYPE_A, TYPE_PTR, TYPE_AAAA, TYPE_OPT, TYPE_ANY = 1, 12, 28, 41, 255
CLASS_IN = 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = 0, 2, 3, 4, 5

TTL = 5
"""Seconds that a name of the stack may be remembered: containers come and go."""

SMALLEST_LIMIT = 512
LARGEST_LIMIT = 4096

_HEADER = struct.Struct("!HHHHHH")
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = (
    0x8000,
    0x0400,
    0x0200,
    0x0100,
    0x0080,
)
_OPCODE = 0x7800
_LONGEST_LABEL, _LONGEST_NAME = 63, 255
_POINTER_TO_QUESTION = 0xC000 | _HEADER.size


@attrs.frozen(kw_only=True)
class Query:
    """One question.  ``question`` is its own encoding; ``limit`` what a datagram back may hold."""

    id: int
    name: str
    kind: int
    kind_class: int
    question: bytes
    opcode: int = 0
    recursion_desired: bool = True
    has_options: bool = False
    limit: int = SMALLEST_LIMIT


def parse_query(packet: bytes) -> Query | None:
    """The question in a packet; ``None`` when it is malformed or none at all (it is then dropped)."""
    if len(packet) < _HEADER.size:
        return None
    identity, flags, questions, answers, authorities, additional = _HEADER.unpack_from(packet)
    if flags & _RESPONSE or questions != 1 or answers or authorities:
        return None
    end_of_name = _end_of_name(packet, _HEADER.size)
    if end_of_name is None or end_of_name + 4 > len(packet):
        return None
    kind, kind_class = struct.unpack_from("!HH", packet, end_of_name)
    limit = _limit_in(packet, end_of_name + 4) if additional else None
    return Query(
        id=identity,
        name=_name_in(packet[_HEADER.size : end_of_name]),
        kind=kind,
        kind_class=kind_class,
        question=packet[_HEADER.size : end_of_name + 4],
        opcode=(flags & _OPCODE) >> 11,
        recursion_desired=bool(flags & _RECURSION_DESIRED),
        has_options=limit is not None,
        limit=SMALLEST_LIMIT if limit is None else limit,
    )


def answer(query: Query, records: Sequence[bytes], *, limit: int | None = None) -> bytes:
    """An answer of ours with these record data, all of the type that was asked for (for any type: A).

    What does not fit ``limit`` (``None``: TCP) is left out and the packet marked truncated.
    """
    kind = TYPE_A if query.kind == TYPE_ANY else query.kind
    size = _HEADER.size + len(query.question) + (11 if query.has_options else 0)
    packed: list[bytes] = []
    is_truncated = False
    for data in records:
        record = struct.pack("!HHHLH", _POINTER_TO_QUESTION, kind, CLASS_IN, TTL, len(data)) + data
        if limit is not None and size + len(record) > limit:
            is_truncated = True
            break
        packed.append(record)
        size += len(record)
    flags = _AUTHORITATIVE | (_TRUNCATED if is_truncated else 0)
    return _response(query, flags, NO_ERROR, packed)


def refusal(query: Query, code: int) -> bytes:
    """An answer without records: ``NO_SUCH_NAME``, ``SERVER_FAILURE``, ..."""
    return _response(query, 0, code, [])


def with_id(packet: bytes, identity: int) -> bytes:
    """The packet under another id."""
    return struct.pack("!H", identity) + packet[2:]


def is_answer_to(packet: bytes, identity: int, query: Query) -> bool:
    """Whether a packet of an upstream server answers just what we asked it (RFC 5452, section 9)."""
    if len(packet) < _HEADER.size:
        return False
    got, flags, questions, *_ = _HEADER.unpack_from(packet)
    question = packet[_HEADER.size : _HEADER.size + len(query.question)]
    return (
        got == identity
        and bool(flags & _RESPONSE)
        and questions == 1
        and question.lower() == query.question.lower()
    )


def code_of(packet: bytes) -> int:
    """The response code of an answer."""
    return packet[3] & 0xF


def pack_name(name: str) -> bytes:
    """The encoding of a name; labels that do not fit are cut."""
    labels = [label.encode()[:_LONGEST_LABEL] for label in name.split(".") if label]
    packed = b"".join(bytes([len(label)]) + label for label in labels)
    return packed[: _LONGEST_NAME - 1] + b"\0"


def _response(query: Query, flags: int, code: int, records: Sequence[bytes]) -> bytes:
    flags |= _RESPONSE | _RECURSION_AVAILABLE | query.opcode << 11 | code
    if query.recursion_desired:
        flags |= _RECURSION_DESIRED
    options = struct.pack("!BHHLH", 0, TYPE_OPT, LARGEST_LIMIT, 0, 0) if query.has_options else b""
    header = _HEADER.pack(query.id, flags, 1, len(records), 0, 1 if options else 0)
    return header + query.question + b"".join(records) + options


def _end_of_name(packet: bytes, start: int) -> int | None:
    """Where a name without pointers ends; ``None`` when it is malformed."""
    offset = start
    while offset < len(packet):
        length = packet[offset]
        if length == 0:
            return offset + 1
        if length > _LONGEST_LABEL:
            return None
        offset += 1 + length
        if offset - start > _LONGEST_NAME:
            return None
    return None


def _name_in(encoded: bytes) -> str:
    """The dotted text of an encoded name (checked before)."""
    labels = []
    offset = 0
    while encoded[offset]:
        length = encoded[offset]
        labels.append(encoded[offset + 1 : offset + 1 + length].decode("latin-1"))
        offset += 1 + length
    return ".".join(labels).lower()


def _limit_in(packet: bytes, offset: int) -> int | None:
    """The datagram size that an OPT record right after the question offers; ``None`` without one."""
    if offset + 11 > len(packet) or packet[offset] != 0:
        return None
    kind, size = struct.unpack_from("!HH", packet, offset + 1)
    if kind != TYPE_OPT:
        return None
    return int(min(max(size, SMALLEST_LIMIT), LARGEST_LIMIT))
