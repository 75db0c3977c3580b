"""Unpacked layers: the directories that containers are mounted from.

::

    <data>/layers/<hex of diffID>/          ready: complete, on disk, never changed again
    <data>/layers/staging/<pid>-<name>/     being made by process <pid>; swept when that is dead
    <data>/layers/making/<hex of diffID>    locked while a process unpacks that layer; others wait
    <data>/layers/lock                      exclusive while publishing, sweeping or deleting
    <data>/layers/lease                     shared while a pull, build or load gathers what it will need

A layer is published by rename after ``syncfs``; a crash leaves staging only.  Nothing is deleted
while anyone holds the lease: what a running build or pull found here stays here.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from composer.host import durable, filelock
from composer.model import manifest

_counter = itertools.count(1)
_PATIENCE = 1800.0
"""Seconds that a process waits for another one that unpacks the same layer."""


class Layers:
    """The layer directories of a store."""

    def __init__(self, data: Path) -> None:
        self._root = data / "layers"
        self._staging = self._root / "staging"

    def lock_path(self) -> Path:
        """The store's lock file."""
        return self._root / "lock"

    def lease(self) -> contextlib.AbstractContextManager[None]:
        """Keep everything that is here until the block ends; a killed holder's lease ends with it."""
        return filelock.hold(self._root / "lease", shared=True)

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
        path = self._staging / f"{os.getpid()}-{next(_counter)}-{safe}"
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
        """Delete the staging directories of dead processes."""
        if not self._staging.is_dir():
            return
        dead = [
            entry
            for entry in self._staging.iterdir()
            if not Path(f"/proc/{entry.name.partition('-')[0]}").exists()
        ]
        if dead:
            with filelock.hold(self.lock_path()):
                for entry in dead:
                    shutil.rmtree(entry, ignore_errors=True)
