"""Archives read plain: every compression, in pieces, in a row, cut, and with something behind."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import threading
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.image import compression

NOISE = random.Random(1).randbytes(300_000) + bytes(700_000)


def zstd(data: bytes, **options: object) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)  # type: ignore[arg-type]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": lambda data: zstd(data, write_checksum=True),
    "zstd without size": lambda data: zstd(data, write_content_size=False),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


class Drip:
    """A stream that gives a few bytes at a time, as sockets may."""

    def __init__(self, data: bytes, step: int) -> None:
        self._stream = io.BytesIO(data)
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(self._step if size < 0 else min(size, self._step))


def read(data: bytes, step: int = 1 << 20) -> bytes:
    seen: list[bytes] = []
    with compression.plain(Drip(data, step), seen.append) as source:
        parts = []
        while part := source.read(4000):
            parts.append(part)
    assert b"".join(seen) == b"".join(parts)
    return b"".join(parts)


@pytest.mark.parametrize("name", sorted(PACKERS))
@pytest.mark.parametrize("step", [1 << 20, 997])
def test_what_was_packed_is_read(name: str, step: int) -> None:
    assert read(PACKERS[name](NOISE), step) == NOISE
    assert read(PACKERS[name](b"x"), step) == b"x"


@pytest.mark.parametrize("name", ["gzip", "zstd", "zstd without size"])
def test_pieces_in_a_row_are_one_archive(name: str) -> None:
    pack = PACKERS[name]
    assert read(pack(NOISE) + pack(b"more")) == NOISE + b"more"


@pytest.mark.parametrize("name", sorted(set(PACKERS) - {"plain"}))
@pytest.mark.parametrize("cut", [1, 4, 7, 100, 200_000])
def test_what_is_cut_is_refused(name: str, cut: int) -> None:
    with pytest.raises(errors.ImageError):
        read(PACKERS[name](NOISE)[:-cut])


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_garbage_behind_the_end_is_refused(name: str) -> None:
    with pytest.raises(errors.ImageError):
        read(PACKERS[name](NOISE) + b"garbage")


def test_zeros_behind_gzip_are_padding() -> None:
    assert read(gzip.compress(b"x") + bytes(3 << 20)) == b"x"
    with pytest.raises(errors.ImageError):
        read(gzip.compress(b"x") + bytes(2 << 20) + b"y")


def test_skippable_frames_of_zstd_are_skipped() -> None:
    extra = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert read(zstd(b"one") + extra + zstd(b"two")) == b"onetwo"


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_HONEST", 1 << 20)
    with pytest.raises(errors.HostileLayer, match="200 times"):
        read(PACKERS[name](bytes(64 << 20)))


def test_without_isal_zlib_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_gunzip", lambda: (lambda: zlib.decompressobj(wbits=31), zlib.error))
    assert read(gzip.compress(NOISE)) == NOISE


def test_the_thread_ends_with_the_block() -> None:
    before = threading.enumerate()
    with compression.plain(io.BytesIO(gzip.compress(bytes(50 << 20)))) as source:
        assert source.read(10)
        (thread,) = set(threading.enumerate()) - set(before)
    assert not thread.is_alive()


def test_an_error_of_the_watcher_reaches_the_reader() -> None:
    def refuse(_data: bytes) -> None:
        raise errors.HostileLayer("no")

    with compression.plain(io.BytesIO(NOISE), refuse) as source, pytest.raises(errors.HostileLayer):
        source.read(10)


@given(st.sampled_from(["gzip", "zstd"]), st.binary(max_size=200), st.data())
def test_damage_is_found_or_harmless(name: str, content: bytes, data: st.DataObject) -> None:
    packed = bytearray(PACKERS[name](content))
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    try:
        read(bytes(packed))
    except errors.ImageError:
        return
