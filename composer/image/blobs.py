"""Content by digest: what registries, archives and images are made of (``distribution.Blobs``).

::

    <data>/blobs/sha256/<hex>    whole and verified, on disk, never changed again
    <data>/blobs/ingest/<hex>    on its way in, locked (flock) by the one who writes it

A blob is hashed as it arrives.  ``commit`` compares size and digest, fsyncs, renames and fsyncs the
directory, in that order; so a name below ``sha256`` always has its content, also after a power cut.
A transfer that is cut leaves its part in ``ingest``, and the next writer goes on from there.  The
lock dies with its holder; a second writer of the same blob waits for it and then finds the blob.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from composer import errors
from composer.host import durable
from composer.model import manifest
from composer.model.distribution import BlobWriter, Descriptor

_CHUNK = 1 << 20
_STEP = 0.02
_PATIENCE = 120.0
"""Seconds that a writer waits for another one whose part does not grow."""


class Reader(Protocol):
    """What content is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


def digest_of(data: bytes) -> str:
    """The digest that names these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class ContentStore:
    """The blobs of one data directory; shared by threads and processes."""

    def __init__(self, data: Path) -> None:
        self.root = data / "blobs"
        self._whole = self.root / "sha256"
        self._ingest = self.root / "ingest"

    def has(self, digest: str) -> bool:
        """Whether the blob is here, whole."""
        return self.path(digest).is_file()

    def path(self, digest: str) -> Path:
        """Where it lies (whether or not it is there)."""
        return self._whole / manifest.checked_digest(digest).removeprefix("sha256:")

    def open(self, digest: str) -> BinaryIO:
        """The blob for reading; raises ``StoreDamaged`` when it is not here."""
        try:
            return self.path(digest).open("rb")
        except OSError as error:
            message = f"blob {digest} is not in the store: {error.strerror}"
            hint = "Pull or load the image again; `composer system check` tells what else is missing."
            raise errors.StoreDamaged(message, hint=hint) from error

    def read(self, digest: str, *, limit: int) -> bytes:
        """A small blob's content; raises ``ImageError`` when it is larger than ``limit`` bytes."""
        with self.open(digest) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            message = f"blob {digest} has more than {limit} bytes"
            raise errors.ImageError(message)
        return content

    def size(self, digest: str) -> int:
        """Its bytes; 0 when it is not here."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return 0

    def writer(self, descriptor: Descriptor) -> BlobWriter:
        """Begin or resume; waits for another writer of the same blob (which may make it ``has``)."""
        target = self.path(descriptor.digest)
        for directory in (self._whole, self._ingest):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._ingest / target.name
        opened = _locked(part, target)
        return _Present(descriptor) if opened is None else _Writer(descriptor, opened, part, target)

    def put(self, data: bytes) -> str:
        """Store small content; returns its digest."""
        digest = digest_of(data)
        if not self.has(digest):
            self._whole.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.write(self.path(digest), data)
        return digest

    def take(self, file: Path, media_type: str) -> Descriptor:
        """Make a finished file (on the store's file system) a blob; it is moved."""
        digest = hashlib.sha256()
        with file.open("rb") as opened:
            while data := opened.read(_CHUNK):
                digest.update(data)
            size = opened.tell()
            os.fsync(opened.fileno())
        descriptor = Descriptor(media_type=media_type, digest=f"sha256:{digest.hexdigest()}", size=size)
        target = self.path(descriptor.digest)
        try:
            self._whole.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.chmod(0o600)
            file.rename(target)
            durable.sync_directory(self._whole)
        except OSError as error:
            message = f"cannot publish {target}: {error.strerror}"
            raise errors.RuntimeFailure(message) from error
        return descriptor

    def receive(self, source: Reader, media_type: str) -> Descriptor:
        """Make a blob of a stream whose digest nobody told."""
        self._ingest.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="received-", dir=self._ingest)
        part = Path(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                while data := source.read(_CHUNK):
                    file.write(data)
            return self.take(part, media_type)
        except OSError as error:
            message = f"cannot write {part}: {error.strerror}"
            raise errors.RuntimeFailure(message) from error
        finally:
            part.unlink(missing_ok=True)
            os.close(descriptor)

    def digests(self) -> list[str]:
        """The digests of every whole blob."""
        try:
            names = os.listdir(self._whole)
        except FileNotFoundError:
            return []
        return sorted(f"sha256:{name}" for name in names if manifest.is_digest(f"sha256:{name}"))

    def delete(self, digest: str) -> int:
        """Remove a blob; returns the bytes that this freed."""
        size = self.size(digest)
        self.path(digest).unlink(missing_ok=True)
        return size

    def sweep(self, *, seconds: float = 0.0) -> int:
        """Remove parts that nobody writes and that are older; returns the bytes that this freed."""
        freed = 0
        if self._whole.is_dir():
            durable.sweep(self._whole)
        for part in self._ingest.iterdir() if self._ingest.is_dir() else ():
            try:
                opened = os.open(part, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                status = os.fstat(opened)
                if time.time() - status.st_mtime >= seconds and _take(opened):
                    part.unlink(missing_ok=True)
                    freed += status.st_size
            finally:
                os.close(opened)
        return freed


class _Present:
    """The writer of a blob that is here: nothing is left to do."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._size = descriptor.size

    @property
    def offset(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
        if data:
            raise errors.ImageError("the blob is complete: nothing can be added to it")

    def restart(self) -> None:
        return

    def commit(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        return


class _Writer:
    """The one writer of a blob, as long as it holds the lock on its part."""

    def __init__(self, descriptor: Descriptor, opened: int, part: Path, target: Path) -> None:
        self._descriptor = descriptor
        self._opened = opened
        self._part = part
        self._target = target
        self._digest = hashlib.sha256()
        self._offset = 0
        self._resume()

    @property
    def offset(self) -> int:
        return self._offset

    def write(self, data: bytes) -> None:
        if self._offset + len(data) > self._descriptor.size:
            self.restart()
            message = (
                f"blob {self._descriptor.digest} is longer than announced ({self._descriptor.size} bytes)"
            )
            raise errors.ImageError(message)
        self._digest.update(data)
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._opened, view)
                self._offset += written
                view = view[written:]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self.restart()  # what cannot be finished must not keep the disk full
            raise self._failure(error) from error

    def restart(self) -> None:
        self._digest = hashlib.sha256()
        self._offset = 0
        os.ftruncate(self._opened, 0)
        os.lseek(self._opened, 0, os.SEEK_SET)

    def commit(self) -> None:
        wanted = self._descriptor
        if self._offset != wanted.size:
            message = f"blob {wanted.digest} has {self._offset} bytes instead of {wanted.size}"
            self.restart()
            raise errors.DigestMismatch(message, hint="The transfer was cut, or the source is damaged.")
        found = f"sha256:{self._digest.hexdigest()}"
        if found != wanted.digest:
            self.restart()
            message = f"blob {wanted.digest} arrived as {found}"
            raise errors.DigestMismatch(message, hint="Try again; if it stays so, the source is damaged.")
        try:
            os.fsync(self._opened)
            self._part.rename(self._target)
            durable.sync_directory(self._target.parent)
        except OSError as error:
            self.restart()  # after a failed fsync nobody knows what is on disk: it is never tried again
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if not self._offset:
            self._part.unlink(missing_ok=True)
        os.close(self._opened)

    def _resume(self) -> None:
        """Hash what an earlier transfer left; begin anew when it is longer than the blob can be."""
        if os.fstat(self._opened).st_size > self._descriptor.size:
            self.restart()
            return
        while data := os.pread(self._opened, _CHUNK, self._offset):
            self._digest.update(data)
            self._offset += len(data)
        os.lseek(self._opened, self._offset, os.SEEK_SET)

    def _failure(self, error: OSError) -> errors.RuntimeFailure:
        message = f"cannot write {self._part}: {error.strerror}"
        hint = "`composer system prune` frees what nothing uses." if error.errno == errno.ENOSPC else ""
        return errors.RuntimeFailure(message, hint=hint)


def _locked(part: Path, target: Path) -> int | None:
    """The part, opened and locked; ``None`` when the blob is (or by waiting became) whole."""
    deadline = time.monotonic() + _PATIENCE
    seen = -1
    while True:
        if target.is_file():
            return None
        try:
            opened = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"cannot write {part}: {error.strerror}"
            raise errors.RuntimeFailure(message) from error
        if _take(opened):
            if target.is_file():
                part.unlink(missing_ok=True)
            elif _is_same(opened, part):
                return opened
            os.close(opened)  # its holder finished, or gave it up, while we waited
            continue
        size = os.fstat(opened).st_size
        os.close(opened)
        if size != seen:
            seen, deadline = size, time.monotonic() + _PATIENCE
        elif time.monotonic() > deadline:
            message = f"another process has been writing blob {part.name[:12]} for {_PATIENCE:g} s in vain"
            raise errors.ConflictError(message, hint=f"It holds a lock on {part}; end it.")
        time.sleep(_STEP)  # flock has no deadline of its own


def _take(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(opened: int, path: Path) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(opened)
    return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)
