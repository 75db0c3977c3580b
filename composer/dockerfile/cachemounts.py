"""``RUN --mount=type=cache``: directories that outlive builds (package downloads, compiler caches).

::

    <builds>/mounts/<key>/           one cache; the key is a digest of its id and of what it began with
    <builds>/mounts/<key>/id         that id, for people
    <builds>/mounts/<key>/<n>/tree   its content; there is more than one where ``private`` ones are in use
    <builds>/mounts/<key>/<n>/lock   held shared by its users, exclusively by a ``locked`` one

An id is never part of a path.  A lock dies with its holder, so a killed build blocks nobody.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from composer.dockerfile import mountflag
from composer.dockerfile.stop import Stop

_POLL_SECONDS = 0.05
"""flock(2) has no deadline and cannot be woken."""


@attrs.frozen(kw_only=True)
class CacheRecord:
    """One cache as ``prune`` and listings see it: ``size`` in bytes, ``used`` in Unix seconds."""

    id: str
    size: int
    used: float
    is_in_use: bool


class CacheMounts:
    """The caches below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root / "mounts"

    @contextmanager
    def held(
        self, identity: tuple[str, ...], sharing: str, stop: Stop, fill: Callable[[Path], None]
    ) -> Iterator[Path]:
        """The directory of a cache for as long as the block runs.

        ``identity`` begins with the id; ``fill`` makes the content of a new one in an empty directory.
        ``shared`` is used by everybody at once, ``locked`` waits its turn, ``private`` takes another
        directory while one is in use.
        """
        cache = self._root / hashlib.sha256("\0".join(identity).encode()).hexdigest()
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        (cache / "id").write_text(identity[0])
        kind = fcntl.LOCK_SH if sharing == mountflag.SHARED else fcntl.LOCK_EX
        for number in itertools.count():
            place = cache / str(number)
            place.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if sharing == mountflag.PRIVATE:
                    if not _try(lock, kind):
                        continue
                else:
                    _wait(lock, kind, stop)
                tree = place / "tree"
                while not tree.exists():
                    _make(lock, kind, tree, fill, stop)
                os.utime(place)
                yield tree
                return
            finally:
                os.close(lock)

    def records(self) -> list[CacheRecord]:
        """Every cache directory, least recently used first."""
        found = []
        for place in self._places():
            with _free(place) as is_free:
                if (place / "tree").exists():
                    found.append(_record_of(place, is_in_use=not is_free))
        return sorted(found, key=lambda record: record.used)

    def prune(self, *, older_than: float | None = None) -> list[CacheRecord]:
        """Delete caches that nobody uses (last used before ``older_than``); returns what was deleted."""
        gone = []
        for place in self._places():
            with _free(place) as is_free:
                record = _record_of(place, is_in_use=not is_free)
                is_wanted = older_than is None or record.used < older_than
                if is_free and is_wanted and (place / "tree").exists():
                    shutil.rmtree(place / "tree", ignore_errors=True)
                    gone.append(record)
        return gone

    def _places(self) -> Iterator[Path]:
        yield from sorted(path.parent for path in self._root.glob("*/*/lock"))


def _record_of(place: Path, *, is_in_use: bool) -> CacheRecord:
    identity = (place.parent / "id").read_text(errors="replace")
    return CacheRecord(id=identity, size=_size_of(place), used=place.stat().st_mtime, is_in_use=is_in_use)


def _make(lock: int, kind: int, tree: Path, fill: Callable[[Path], None], stop: Stop) -> None:
    """Make the content, complete or not at all; users who came at the same time wait for one of them."""
    _wait(lock, fcntl.LOCK_EX, stop)
    if not tree.exists():
        new = tree.with_name("new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o755)
        new.chmod(0o755)
        fill(new)
        new.rename(tree)
    # Changing the kind may let another in between, also ``prune`` (flock(2)): the caller looks again.
    _wait(lock, kind, stop)


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(lock: int, kind: int, stop: Stop) -> None:
    while not _try(lock, kind):
        stop.check()
        time.sleep(_POLL_SECONDS)


@contextmanager
def _free(place: Path) -> Iterator[bool]:
    """Whether nobody uses a directory; nobody begins to while the block runs."""
    lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _try(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def _size_of(directory: Path) -> int:
    """Bytes on disk of everything below; what vanishes meanwhile counts nothing."""
    total = 0
    for _base, _folders, files, opened in os.fwalk(directory, onerror=lambda _: None):
        for name in files:
            try:
                total += os.stat(name, dir_fd=opened, follow_symlinks=False).st_blocks * 512
            except OSError:
                continue
    return total
