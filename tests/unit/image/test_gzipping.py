"""gzip by several threads: what every gzip reads, and always the same bytes."""

from __future__ import annotations

import gzip
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.image.gzipping import Gzip

TEXT = b"".join(b"line %d of a layer\n" % number for number in range(250_000))


def packed(data: bytes, step: int) -> bytes:
    parts: list[bytes] = []
    with Gzip(parts.append) as stream:
        for start in range(0, len(data), step):
            stream.write(data[start : start + step])
    return b"".join(parts)


@pytest.mark.parametrize("data", [b"", b"x", TEXT, random.Random(2).randbytes(3 << 20)])
def test_it_is_gzip_and_the_same_however_it_is_written(data: bytes) -> None:
    whole = packed(data, 1 << 22)
    assert gzip.decompress(whole) == data
    assert packed(data, 100_003) == whole


def test_blocks_know_what_came_before() -> None:
    assert len(packed(TEXT, 1 << 20)) < 1.02 * len(gzip.compress(TEXT, 6))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_pieces(pieces: list[bytes]) -> None:
    parts: list[bytes] = []
    with Gzip(parts.append) as stream:
        for piece in pieces:
            stream.write(piece)
    assert gzip.decompress(b"".join(parts)) == b"".join(pieces)
