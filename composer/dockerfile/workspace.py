"""One directory per step: the overlay in which it works, made before and gone after it.

    <staging>/merged    the root that COPY and WORKDIR write (mounted in our mount namespace only)
    <staging>/upper     what the step changed; becomes the layer
    <staging>/work      overlayfs's own
    <staging>/empty     the lower directory when a stage has no layer yet

The image store owns ``<staging>`` and sweeps it when the process that made it is dead; the mount
goes with that process's mount namespace.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import attrs

from composer.dockerfile.tree import Tree
from composer.host import mounts
from composer.model.protocols import ImageStore

_STUB_FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")
_OPAQUE = "trusted.overlay.opaque"
_STUB_DIRECTORIES = ("dev/mqueue", "dev/pts", "dev/shm", "dev", "proc", "sys", "etc")


class Overlay(Protocol):
    """How layers become one tree; the kernel's overlayfs except in tests without root."""

    def mount(self, target: Path, layers: Sequence[Path], upper: Path | None, work: Path | None) -> None:
        """Show ``layers`` (lowest first) at ``target``, writable in ``upper`` when it is given."""

    def unmount(self, target: Path) -> None:
        """Undo ``mount``."""


class KernelOverlay:
    """overlayfs."""

    def mount(self, target: Path, layers: Sequence[Path], upper: Path | None, work: Path | None) -> None:
        """Mount (``composer.host.mounts``)."""
        mounts.mount_overlay(target, layers, upper, work)

    def unmount(self, target: Path) -> None:
        """Unmount; what is still open stays usable."""
        mounts.unmount(target)


@attrs.frozen(kw_only=True)
class Workspace:
    """The directories of one step; ``layers`` are never empty."""

    directory: Path
    layers: tuple[Path, ...]

    @property
    def upper(self) -> Path:
        """What the step changes."""
        return self.directory / "upper"

    @property
    def work(self) -> Path:
        """Overlayfs's own."""
        return self.directory / "work"

    @property
    def merged(self) -> Path:
        """The root."""
        return self.directory / "merged"

    @property
    def empty(self) -> Path:
        """A directory that stays empty."""
        return self.directory / "empty"

    @property
    def is_unchanged(self) -> bool:
        """Whether the step changed nothing."""
        return not any(self.upper.iterdir())


@contextmanager
def opened(images: ImageStore, name: str, layers: Sequence[str]) -> Iterator[Workspace]:
    """Make the directories of a step over ``layers`` (diffIDs); remove what is left of them after it."""
    directory = images.staging(name)
    try:
        below = images.paths_of_layers(layers)
        workspace = Workspace(directory=directory, layers=below or (directory / "empty",))
        for path in (workspace.upper, workspace.work, workspace.merged, workspace.empty):
            path.mkdir(mode=0o700, exist_ok=True)
        # The upper directory's mode and owner are those of the merged root.
        status = workspace.layers[-1].stat() if below else None
        workspace.upper.chmod(status.st_mode & 0o7777 if status else 0o755)
        if status and (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(workspace.upper, status.st_uid, status.st_gid)
        yield workspace
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def mounted(overlay: Overlay, workspace: Workspace, *, is_writable: bool = True) -> Iterator[Path]:
    """The merged root for as long as the block runs."""
    upper, work = (workspace.upper, workspace.work) if is_writable else (None, None)
    overlay.mount(workspace.merged, workspace.layers, upper, work)
    try:
        yield workspace.merged
    finally:
        overlay.unmount(workspace.merged)


def remove_stubs(workspace: Workspace, targets: Iterable[str] = ()) -> None:
    """Take away what mounting left of the layer: empty files and directories that nobody meant to make.

    The runtime undoes what it made at ``targets``, but the directories in which it did so were copied
    up for that; where they are empty and as they were below, they say nothing.

    Nothing is resolved: a name is looked at and removed in a directory that was opened without
    following links, so a command that puts a link in its place gains nothing (CVE-2024-23652).
    """
    above = {parent for target in targets for parent in _parents(target.strip("/"))}
    directories = sorted({*_STUB_DIRECTORIES, *above}, key=lambda path: path.count("/"), reverse=True)
    with ExitStack() as stack:
        upper = stack.enter_context(Tree(workspace.upper))
        lower = [stack.enter_context(Tree(layer)) for layer in reversed(workspace.layers)]
        for path in (*_STUB_FILES, *directories):
            status = upper.status(path)
            if status is None:
                continue
            below = next((found for layer in lower if (found := layer.status(path)) is not None), None)
            parent, _, name = path.rpartition("/")
            if path in _STUB_FILES:
                if below is None and stat.S_ISREG(status.st_mode) and status.st_size == 0:
                    os.unlink(name, dir_fd=upper.directory(parent))
            elif stat.S_ISDIR(status.st_mode) and not upper.names(path):
                is_stub = path in _STUB_DIRECTORIES if below is None else _is_same(status, below)
                if is_stub and not _is_opaque(upper.directory(path)):
                    os.rmdir(name, dir_fd=upper.directory(parent))


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether a directory has the mode, owner and time of another."""
    return (one.st_mode, one.st_uid, one.st_gid, one.st_mtime_ns) == (
        other.st_mode, other.st_uid, other.st_gid, other.st_mtime_ns,
    )  # fmt: skip


def _is_opaque(directory: int) -> bool:
    """Whether a directory of an overlay's upper layer hides what is below it."""
    try:
        return os.getxattr(directory, _OPAQUE) == b"y"
    except OSError:
        return False


def clamp_times(directory: Path, epoch: int) -> None:
    """Bring every later time of modification back to ``epoch`` (reproducible-builds.org)."""
    limit = epoch * 1_000_000_000
    for base, folders, files, opened_base in os.fwalk(directory, follow_symlinks=False, topdown=False):
        del base
        for name in (*folders, *files, "."):
            status = os.stat(name, dir_fd=opened_base, follow_symlinks=False)
            if status.st_mtime_ns > limit:
                os.utime(name, ns=(limit, limit), dir_fd=opened_base, follow_symlinks=False)
