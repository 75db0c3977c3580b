"""Unpacked layers: the directories that containers are mounted from.

::

    <data>/layers/<hex of diffID>/          ready: complete, on disk, never changed again
    <data>/layers/staging/<pid>.<start>-…/  being made by that process; swept when it is dead
    <data>/layers/making/<hex of diffID>    locked while a process unpacks that layer; others wait
    <data>/layers/lock                      exclusive while publishing, sweeping or deleting
    <data>/layers/lease                     shared while a pull, build or load gathers what it will need

A layer is published by rename after ``syncfs``; a crash leaves staging only.  Nothing is deleted
while anyone holds the lease: what a running build or pull found here stays here.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from composer.host import durable, filelock, process
from composer.model import manifest

_counter = itertools.count(1)
_PATIENCE = 1800.0
"""Seconds that a process waits for another one that unpacks the same layer, or that deletes much."""


class Layers:
    """The layer directories of a store."""

    def __init__(self, data: Path) -> None:
        self._root = data / "layers"
        self._staging = self._root / "staging"

    def lock_path(self) -> Path:
        """The store's lock file."""
        return self._root / "lock"

    @contextlib.contextmanager
    def lease(self) -> Iterator[None]:
        """Keep everything that is here until the block ends; a killed holder's lease ends with it.

        What killed holders left half made goes first.
        """
        self.sweep()
        with filelock.hold(self._root / "lease", shared=True, seconds=_PATIENCE):
            yield

    def if_unleased(self) -> contextlib.AbstractContextManager[bool]:
        """Keep leases out if there are none; yields whether there are none, so that one may delete."""
        return filelock.hold_if_free(self._root / "lease")

    @contextlib.contextmanager
    def making(self, diff_id: str) -> Iterator[bool]:
        """Be the one who makes a layer; yields false when it is there (or came while we waited)."""
        path = self.path(diff_id)
        if path.is_dir():
            yield False
            return
        with filelock.hold(self._root / "making" / path.name, seconds=_PATIENCE, vanishes=True):
            yield not path.is_dir()

    def is_ready(self, diff_id: str) -> bool:
        """Whether the layer is here, whole."""
        return self.path(diff_id).is_dir()

    def diff_ids(self) -> list[str]:
        """The diffIDs of every ready layer."""
        names = os.listdir(self._root) if self._root.is_dir() else []
        return sorted(f"sha256:{name}" for name in names if manifest.is_digest(f"sha256:{name}"))

    def path(self, diff_id: str) -> Path:
        """Where a ready layer lies (whether or not it is there)."""
        return self._root / manifest.checked_digest(diff_id).removeprefix("sha256:")

    def stage(self, name: str) -> Path:
        """A fresh staging directory of this process."""
        self._staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        safe = "".join(c if c.isalnum() or c in "._" else "_" for c in name)[:64]
        path = self._staging / f"{_maker(os.getpid())}-{next(_counter)}-{safe}"
        path.mkdir(mode=0o711)
        return path

    def publish(self, tree: Path, diff_id: str) -> Path:
        """Make a staged tree the layer ``diff_id``."""
        target = self.path(diff_id)
        with filelock.hold(self.lock_path()):
            durable.publish_directory(tree, target)
        return target

    def replace(self, tree: Path, diff_id: str) -> None:
        """Put a good tree in the place of a damaged one; a crash between leaves the layer missing."""
        self.delete(diff_id)
        self.publish(tree, diff_id)

    def delete(self, diff_id: str) -> None:
        """Remove a layer; by rename first, so that a half-deleted one is never taken for ready."""
        doomed = self.stage("deleted")
        with contextlib.suppress(FileNotFoundError):
            self.path(diff_id).rename(doomed / "tree")
        shutil.rmtree(doomed, ignore_errors=True)

    def sweep(self) -> None:
        """Delete the staging directories and the locks of dead processes."""
        filelock.sweep(self._root / "making")
        if not self._staging.is_dir():
            return
        dead = [entry for entry in self._staging.iterdir() if not _is_maker_alive(entry.name)]
        if dead:
            with filelock.hold(self.lock_path()):
                for entry in dead:
                    shutil.rmtree(entry, ignore_errors=True)


@functools.cache
def _maker(pid: int) -> str:
    """How staging directories name a process; asked for by pid, because a forked child is another."""
    identity = process.identity_of(pid)
    return f"{pid}.{identity.start_time if identity else 0}"


def _is_maker_alive(name: str) -> bool:
    """Whether the very process that a staging directory is named for still lives; never a later one."""
    maker = name.partition("-")[0]
    pid = maker.partition(".")[0]
    identity = process.identity_of(int(pid)) if pid.isdecimal() else None
    return identity is not None and f"{pid}.{identity.start_time}" == maker
