"""Content by digest as the registry client sees it, on a directory of a test; counts what was written."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import BinaryIO, Self

from composer import errors
from composer.model import manifest
from composer.model.distribution import BlobWriter, Descriptor


class FakeBlobs:
    """``Blobs`` without durability.  ``written`` counts the bytes that writers took, by digest."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self.written: dict[str, int] = {}

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def open(self, digest: str) -> BinaryIO:
        try:
            return self.path(digest).open("rb")
        except FileNotFoundError as error:
            message = f"blob {digest} is missing"
            raise errors.StoreDamaged(message) from error

    def path(self, digest: str) -> Path:
        return self._root / manifest.checked_digest(digest).replace(":", "-")

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        with self._guard:
            lock = self._locks.setdefault(descriptor.digest, threading.Lock())
        return _Writer(self, descriptor, lock)

    def put(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.path(digest).write_bytes(data)
        return digest


class _Writer:
    def __init__(self, blobs: FakeBlobs, descriptor: Descriptor, lock: threading.Lock) -> None:
        self._blobs = blobs
        self._descriptor = descriptor
        self._lock = lock
        self._partial = blobs.path(descriptor.digest).with_suffix(".partial")

    @property
    def offset(self) -> int:
        return self._partial.stat().st_size if self._partial.exists() else 0

    def write(self, data: bytes) -> None:
        if self.offset + len(data) > self._descriptor.size:
            message = f"blob {self._descriptor.digest} is larger than announced"
            raise errors.ImageError(message)
        with self._partial.open("ab") as file:
            file.write(data)
        digest = self._descriptor.digest
        self._blobs.written[digest] = self._blobs.written.get(digest, 0) + len(data)

    def restart(self) -> None:
        self._partial.unlink(missing_ok=True)

    def commit(self) -> None:
        content = self._partial.read_bytes() if self._partial.exists() else b""
        self._partial.unlink(missing_ok=True)
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if len(content) != self._descriptor.size or found != self._descriptor.digest:
            message = f"blob {self._descriptor.digest} is {len(content)} bytes of {found}"
            raise errors.DigestMismatch(message)
        self._blobs.path(self._descriptor.digest).write_bytes(content)

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._lock.release()
