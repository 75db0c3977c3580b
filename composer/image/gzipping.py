"""gzip (RFC 1952) with several threads and always the same bytes.

The input is cut into blocks of one size; each is deflated by itself, with the 32 KiB before it as
dictionary, and ends at a byte boundary; put in a row they are one deflate stream (as ``pigz`` does).
Where a block is cut depends on the input alone, so the number of threads changes nothing, and no
time or name is written: a layer's archive has one digest wherever it is packed.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

_BLOCK = 1 << 20
_WINDOW = 32768
_LEVEL = 6
_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_THREADS = 4


class Gzip:
    """Compresses what is written into ``sink``; a context manager that ends the stream."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._workers = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="gzip")
        self._running: deque[Future[bytes]] = deque()
        self._pending = bytearray()
        self._before = b""
        self._crc = 0
        self._size = 0
        sink(_HEADER)

    def write(self, data: bytes) -> None:
        """Add to the stream."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._pending += data
        while len(self._pending) > _BLOCK:
            block = bytes(self._pending[:_BLOCK])
            del self._pending[:_BLOCK]
            self._submit(block, is_last=False)

    def _submit(self, block: bytes, *, is_last: bool) -> None:
        while len(self._running) > 2 * _THREADS:
            self._sink(self._running.popleft().result())
        self._running.append(self._workers.submit(_deflate, block, self._before, is_last=is_last))
        self._before = block[-_WINDOW:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._submit(bytes(self._pending), is_last=True)
                while self._running:
                    self._sink(self._running.popleft().result())
                self._sink(struct.pack("<II", self._crc, self._size & 0xFFFFFFFF))
        finally:
            self._workers.shutdown(cancel_futures=True)


def _deflate(block: bytes, before: bytes, *, is_last: bool) -> bytes:
    if before:
        engine = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, zlib.DEF_MEM_LEVEL, zdict=before)
    else:
        engine = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15, zlib.DEF_MEM_LEVEL)
    return engine.compress(block) + engine.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)
