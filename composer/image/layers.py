"""Unpacked layers: the directories that containers are mounted from.

::

    <data>/layers/<hex of diffID>/          ready: complete, on disk, never changed again
    <data>/layers/staging/<pid>-<name>/     being made by process <pid>; swept when that is dead
    <data>/layers/lock                      exclusive while publishing, sweeping or deleting

A layer is published by rename after ``syncfs``; a crash leaves staging only.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from pathlib import Path

from composer import errors
from composer.host import durable, filelock

_counter = itertools.count(1)


class Layers:
    """The layer directories of a store."""

    def __init__(self, data: Path) -> None:
        self._root = data / "layers"
        self._staging = self._root / "staging"

    def lock_path(self) -> Path:
        """The store's lock file."""
        return self._root / "lock"

    def path(self, diff_id: str) -> Path:
        """Where a ready layer lies (whether or not it is there)."""
        algorithm, _, digest = diff_id.partition(":")
        if algorithm != "sha256" or len(digest) != 64 or not digest.isalnum():
            message = f"not a layer id: {diff_id!r}"
            raise errors.ImageError(message)
        return self._root / digest

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
