"""``flock`` on a file: it dies with its holder, so a killed process never blocks the next.

Order of taking: store, then stack, then network (docs/architecture.md).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from composer import errors

_STEP = 0.01


@contextmanager
def hold(
    path: Path, *, shared: bool = False, seconds: float = 60.0, vanishes: bool = False
) -> Iterator[None]:
    """Hold the lock; raises ``ConflictError`` naming the holder when it is not free in time.

    ``vanishes`` is for locks of things without end, such as one per layer: the file is removed with
    the lock, and whoever waited on the removed file takes the new one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(descriptor, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, seconds)
            if vanishes and not _is_at(descriptor, path):
                continue
            if not shared:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            try:
                yield
            finally:
                if vanishes:
                    path.unlink(missing_ok=True)
            return
        finally:
            os.close(descriptor)


@contextmanager
def hold_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock exclusively if nobody has it; yields whether the file of that name is held."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def sweep(directory: Path) -> None:
    """Remove the files of locks that vanish and that killed holders left."""
    for path in directory.iterdir() if directory.is_dir() else ():
        with hold_if_free(path) as is_held:
            if is_held:
                path.unlink(missing_ok=True)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(descriptor)
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def _take(descriptor: int, path: Path, kind: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
                message = f"{path} is locked by process {holder or 'unknown'}"
                raise errors.ConflictError(message, hint="Wait for it, or end it.") from None
            time.sleep(_STEP)  # flock has no deadline of its own
        else:
            return
