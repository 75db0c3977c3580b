"""The files of one container's log, and their rotation.

In the container's directory::

    log          what conmon writes; at its size bound conmon puts an empty file in its place
    log.held     a second name of the same file, so that what conmon replaced is not lost
    log.1 ...    what was replaced before, ``log.1`` the newest

conmon alone decides when a file is full and never waits for anybody, so a container's output never
blocks on rotation.  Whoever looks after the container (``supervisor.logkeeper``) moves on what was replaced,
and is told by inotify.  If nobody does, conmon goes on replacing: the log stays within its bound and the
oldest part of the gap is what is lost.  Every step may be killed: names are only ever renamed over.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_HELD = ".held"
_TRIES = 8


def prepare(log: Path, most: int) -> None:
    """Before conmon opens the log: make it, and hold it where more than one file is kept."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    if most > 1:
        shift(log, most)
    else:
        _held(log).unlink(missing_ok=True)


def shift(log: Path, most: int) -> None:
    """Number what conmon replaced since the last call, keep ``most`` files in all, hold the new one."""
    held = _held(log)
    for _ in range(_TRIES):
        current = _inode(log)
        if current is None or current == _inode(held):
            return
        if held.exists():
            for number in range(most - 2, 0, -1):
                with contextlib.suppress(FileNotFoundError):
                    _numbered(log, number).rename(_numbered(log, number + 1))
            held.rename(_numbered(log, 1))
        fresh = log.with_name(f"{log.name}{_HELD}.new")
        fresh.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.link(log, fresh)
            fresh.rename(held)


def chain(log: Path) -> tuple[Path, ...]:
    """Every file of the log that is there, oldest first; the one being written comes last."""
    numbers = sorted(
        (int(path.suffix[1:]) for path in log.parent.glob(f"{log.name}.*") if path.suffix[1:].isdecimal()),
        reverse=True,
    )
    older = [_numbered(log, number) for number in numbers]
    held = _held(log)
    if _inode(held) not in (None, _inode(log)):
        older.append(held)
    return (*older, log)


def _held(log: Path) -> Path:
    return log.with_name(log.name + _HELD)


def _numbered(log: Path, number: int) -> Path:
    return log.with_name(f"{log.name}.{number}")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
