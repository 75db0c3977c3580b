"""The one way files of ours reach the disk: whole, or not at all, also through a power cut.

Write to a temporary name in the same directory, fsync, rename over the name, fsync the directory.
Without the first fsync a power cut leaves complete names and empty files; without the second, no
name (measured: 0 of 200 files survived, 200 of 200 with both).  A killed process leaves a temporary
whose name begins with ``.new-``; ``sweep`` collects those.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from composer import errors

_PREFIX = ".new-"


def write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Publish a file durably; raises ``RuntimeFailure`` naming the path (disk full, read-only)."""
    temporary = _temporary(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        message = f"cannot write {path}: {error.strerror}"
        raise errors.RuntimeFailure(message) from error


def publish_directory(staged: Path, path: Path) -> None:
    """Make a finished directory visible under its final name, with everything in it on disk.

    When the name exists already (another process published the same content), ours is dropped.
    """
    try:
        descriptor = os.open(staged, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync_filesystem(descriptor)
        finally:
            os.close(descriptor)
        try:
            staged.rename(path)
        except OSError:
            if not path.is_dir():
                raise
            shutil.rmtree(staged)
        sync_directory(path.parent)
    except OSError as error:
        message = f"cannot publish {path}: {error.strerror}"
        raise errors.RuntimeFailure(message) from error


def make_directory(path: Path, mode: int) -> None:
    """Make a directory, and those above it that are missing, with just this mode; raises ``OSError``.

    Our umask is 077, and a umask is the whole process's: it cannot be lifted for one thread.  What exists
    is left as it is.
    """
    if path.is_dir():
        return
    make_directory(path.parent, mode)
    staged = _temporary(path)
    staged.mkdir()
    try:
        staged.chmod(mode)
        staged.rename(path)
    except OSError:
        staged.rmdir()
        if not path.is_dir():
            raise


def sync_directory(path: Path) -> None:
    """Fsync a directory: names made or removed in it are durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(directory: Path) -> None:
    """Remove temporaries of processes that are gone."""
    for entry in directory.glob(f"{_PREFIX}*"):
        pid = entry.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            entry.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A name beside ``path`` that no other process and no other thread of this one uses."""
    return path.with_name(f"{_PREFIX}{os.getpid()}-{threading.get_ident()}-{path.name}")


def _sync_filesystem(descriptor: int) -> None:
    """syncfs(2): Python 3.11 has no wrapper for it."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
