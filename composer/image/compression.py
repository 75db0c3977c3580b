"""Archives read plain: told by their first bytes, decompressed in a thread beside the reader.

gzip through ISA-L where its wheel is (twice as fast as zlib), zstd through ``zstandard``; xz and
bzip2, which only old archives have, through the standard library.  A stream that ends early, has
garbage behind its end, or unpacks to far more than any honest archive does, is refused.
"""

from __future__ import annotations

import queue
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

from composer import errors
from composer.image.blobs import Reader

_CHUNK = 1 << 20
_AHEAD = 4
"""Chunks that the thread may be ahead of the reader: what a pull needs of memory."""

_HONEST = 1 << 30
_STEEPEST = 200
"""More than a GiB from an archive may be at most this many times its size (zeros give 1000)."""

GZIP, ZSTD, XZ, BZIP2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"
MAGIC = 6
"""Bytes that tell a compression."""


@contextmanager
def plain(source: Reader, watch: Callable[[bytes], None] | None = None) -> Iterator[Reader]:
    """The plain content of a stream, read ahead by a thread that ends with the block.

    ``watch`` sees everything, in that thread (to hash it), and may raise.  Reading raises
    ``ImageError`` for what is damaged and ``HostileLayer`` for a bomb.
    """
    content = decompressed(source)
    pump = _Pump(content if watch is None else _Watched(content, watch))
    pump.start()
    try:
        yield pump
    finally:
        pump.stop()


def decompressed(source: Reader) -> Reader:
    """The plain content of a stream."""
    head = _exactly(source, MAGIC)
    counted = _Counted(head, source)
    if head.startswith(GZIP):
        return _Guarded(counted, _Members(counted))
    if head.startswith(ZSTD):
        return _Guarded(counted, _Frames(counted))
    if head.startswith(XZ):
        import lzma

        return _Guarded(counted, cast("Reader", lzma.LZMAFile(cast("Any", counted))))
    if head.startswith(BZIP2):
        import bz2

        return _Guarded(counted, cast("Reader", bz2.BZ2File(cast("Any", counted))))
    return counted


def _exactly(source: Reader, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data


class _Counted:
    """A stream of which some bytes were read already; counts what passed."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head = head
        self._rest = rest
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            wanted = len(self._head) if size < 0 else size
            data, self._head = self._head[:wanted], self._head[wanted:]
        else:
            data = self._rest.read(_CHUNK if size < 0 else size)
        self.count += len(data)
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._head = b""

    @property
    def closed(self) -> bool:
        return False


class _Guarded:
    """Refuses a bomb, and says in our words what a decompressor says in its own."""

    def __init__(self, packed: _Counted, source: Reader) -> None:
        self._packed = packed
        self._source = source
        self._count = 0

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._source.read(_CHUNK if size < 0 else size)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            message = f"the archive is truncated or damaged: {error}"
            raise errors.ImageError(message) from error
        self._count += len(data)
        if self._count > _HONEST and self._count > _STEEPEST * self._packed.count:
            message = f"the archive unpacks to more than {_STEEPEST} times its size"
            raise errors.HostileLayer(message)
        return data


def _gunzip() -> tuple[Callable[[], Any], type[Exception]]:
    """What makes decompressors of gzip members, and their error: ISA-L's, or zlib's without a wheel of it."""
    try:
        from isal import isal_zlib
    except ImportError:
        return lambda: zlib.decompressobj(wbits=31), zlib.error
    return lambda: isal_zlib.decompressobj(wbits=31), cast("type[Exception]", isal_zlib.error)


class _Members:
    """gzip, member after member (RFC 1952); truncation is an error, zeros behind the end are none."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._make, self._error = _gunzip()
        self._engine = self._make()
        self._pending = b""
        self._is_over = False

    def read(self, size: int = -1, /) -> bytes:
        while not self._is_over:
            if self._engine.eof:
                self._next_member()
                continue
            try:
                data: bytes = self._engine.decompress(self._pending, size)
            except self._error as error:
                message = f"the archive is damaged: {error}"
                raise errors.ImageError(message) from error
            self._pending = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
            if data:
                return data
            if not self._engine.eof and not self._pending:
                self._pending = self._source.read(_CHUNK)
                if not self._pending:
                    raise errors.ImageError("the archive is truncated")
        return b""

    def _next_member(self) -> None:
        self._pending = self._pending or self._source.read(_CHUNK)
        if not self._pending.strip(b"\0"):
            self._is_over = not self._pending or self._rest_is_padding()
            return
        if not self._pending.startswith(GZIP[:1]):
            raise errors.ImageError("the archive has garbage behind its end")
        self._engine = self._make()

    def _rest_is_padding(self) -> bool:
        while data := self._source.read(_CHUNK):
            if data.strip(b"\0"):
                raise errors.ImageError("the archive has garbage behind its end")
        return True


class _Frames:
    """zstd, frame after frame (RFC 8878); the library takes an early end for an end, so we look ourselves."""

    def __init__(self, source: Reader) -> None:
        import zstandard

        self._source = source
        self._walk = _walk_frames()
        self._wanted = next(self._walk)
        self._header = b""
        self._error = zstandard.ZstdError
        # 128 MiB of window: what `zstd --long` uses; more would be a way to take our memory.
        self._reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            cast("Any", _Watched(source, self._follow)), read_across_frames=True
        )

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._reader.read(_CHUNK if size < 0 else size)
        except self._error as error:
            message = f"the archive is damaged: {error}"
            raise errors.ImageError(message) from error
        if not data and (self._wanted != _MAGIC_SIZE or self._header):
            raise errors.ImageError("the archive is truncated")
        return data

    def _follow(self, data: bytes) -> None:
        """Walk over packed data, from header to header."""
        while data:
            if self._wanted < 0:  # to be skipped
                step = min(-self._wanted, len(data))
                self._wanted, data = self._wanted + step, data[step:]
                if self._wanted == 0:
                    self._wanted = self._walk.send(b"")
                continue
            step = self._wanted - len(self._header)
            self._header, data = self._header + data[:step], data[step:]
            if len(self._header) == self._wanted:
                header, self._header = self._header, b""
                self._wanted = self._walk.send(header)


_MAGIC_SIZE = 4


def _walk_frames() -> Generator[int, bytes, None]:
    """The structure of zstd: asks for so many bytes, or (negative) to skip some."""
    while True:
        magic = yield _MAGIC_SIZE
        if magic != ZSTD:  # a skippable frame; anything else the library refuses
            size = int.from_bytes((yield 4), "little")
            if size:
                yield -size
            continue
        (flags,) = yield 1
        is_single = bool(flags & 0x20)
        rest = (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3]
        rest += ((1 if is_single else 0), 2, 4, 8)[flags >> 6]
        if rest:
            yield -rest
        is_last = False
        while not is_last:
            block = int.from_bytes((yield 3), "little")
            is_last = bool(block & 1)
            size = 1 if (block >> 1) & 3 == 1 else block >> 3
            if size:
                yield -size
        if flags & 4:
            yield -4


class _Watched:
    """A stream that shows what it gives to somebody else, too."""

    def __init__(self, source: Reader, show: Callable[[bytes], None]) -> None:
        self._source = source
        self._show = show

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._show(data)
        return data


class _Pump:
    """Reads ahead in a thread, a few chunks at most."""

    def __init__(self, source: Reader) -> None:
        self._thread = threading.Thread(target=self._run, name="decompress", daemon=True)
        self._source = source
        self._chunks: queue.Queue[bytes | BaseException] = queue.Queue(_AHEAD)
        self._is_stopped = False
        self._rest = memoryview(b"")
        self._is_over = False

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._is_stopped:
                data = self._source.read(_CHUNK)
                self._chunks.put(data)
                if not data:
                    return
        except BaseException as error:  # noqa: BLE001 -- raised again where it is read
            self._chunks.put(error)

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, fewer only where a chunk ends."""
        if not self._rest:
            if self._is_over:
                return b""
            chunk = self._chunks.get()
            if isinstance(chunk, BaseException):
                self._is_over = True
                raise chunk
            self._is_over = not chunk
            self._rest = memoryview(chunk)
        wanted = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:wanted], self._rest[wanted:]
        return bytes(data)

    def stop(self) -> None:
        """End the thread, whatever is left."""
        self._is_stopped = True
        while self._thread.is_alive():
            try:
                self._chunks.get(timeout=0.01)
            except queue.Empty:
                continue
        self._thread.join()
