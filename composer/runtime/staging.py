"""Mounts in a container's bundle that stand in for what the runtime cannot reach by path.

They exist while the container is created; it takes its own copy of them.  What a kill leaves is removed with
the bundle, never by descending into it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from composer import errors
from composer.host import descriptor, mounts
from composer.model.protocols import BindMount

_PREFIX = "source-"


def stage(binds: Sequence[BindMount], name: str, bundle: Path) -> dict[str, Path]:
    """Mount in the bundle what the runtime cannot reach by path; where each is, by its target.

    The container gets its own copy of these mounts when it is created, so they can go after that.
    """
    found = {}
    for number, bind in enumerate(binds):
        path = bundle / f"{_PREFIX}{number}"
        if bind.layers:
            path.mkdir(mode=0o700, exist_ok=True)
            scratch = bind.scratch
            upper, work = (scratch / "upper", scratch / "work") if scratch else (None, None)
            mounts.mount_overlay(path, bind.layers, upper, work)
            found[bind.target] = _below(path, str(bind.source), name)
        elif bind.peer:
            path.mkdir(mode=0o700, exist_ok=True)
            mounts.bind_from(bind.peer, str(bind.source), path)
            found[bind.target] = path
        elif bind.is_held or bind.recursive == "disabled":
            # crun 1.8 takes what is mounted below along, whether asked to or not.
            _mount_point_like(bind.source, path)
            mounts.bind(bind.source, path)
            found[bind.target] = path
        elif bind.propagation in ("shared", "rshared"):
            _mount_point_like(bind.source, path)
            mounts.bind_outside(str(bind.source), path)
            found[bind.target] = path
    return found


def unstage(bundle: Path) -> None:
    """Unmount what ``stage`` mounted."""
    for path in sorted(bundle.glob(f"{_PREFIX}*")):
        mounts.unmount(path)


def empty(bundle: Path, keep: Sequence[str]) -> None:
    """Delete a bundle but for the entries to keep; nothing that is mounted in it is entered."""
    try:
        entries = list(os.scandir(bundle))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name in keep:
            continue
        with contextlib.suppress(OSError):
            if entry.name == "rootfs" or entry.name.startswith(_PREFIX):
                _remove_mount_point(Path(entry.path))
            elif entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    with contextlib.suppress(OSError):
        bundle.rmdir()


def _mount_point_like(source: Path, path: Path) -> None:
    if source.is_dir():
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        path.touch()


def _below(tree: Path, subpath: str, name: str) -> Path:
    """A directory or file of an image; nobody can change what is there, so a path will do."""
    root = os.open(tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = descriptor.open_in_root(root, subpath or "/", os.O_PATH)
    except OSError as error:
        message = f"{name}: the image has nothing at {subpath}"
        raise errors.OperationFailed(message, hint="Look at image.subpath.") from error
    finally:
        os.close(root)
    try:
        return Path(os.readlink(f"/proc/self/fd/{found}"))
    finally:
        os.close(found)


def _remove_mount_point(path: Path) -> None:
    """Never by descending: what is mounted there would be deleted with it."""
    mounts.unmount(path)
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
