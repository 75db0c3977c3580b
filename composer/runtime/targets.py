"""Prepares the places in a container's root where something will be mounted.

The image's content is not ours to trust: a symlink at ``/dev`` or at a mount target has led
runtimes out of the container (CVE-2026-41579, CVE-2026-47766, CVE-2021-30465).  So every target is
resolved and made by us, beneath the root's descriptor, before the runtime sees it, and the runtime
gets the resolved path.
"""

from __future__ import annotations

import os
import stat

from composer import errors
from composer.host import descriptor

SYSTEM_DIRECTORIES = ("/proc", "/dev", "/sys")
"""Mounted by the runtime itself: each must be a plain directory."""

OUR_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files we mount over: a link there is replaced, never followed."""


def prepare_system(root: int, name: str) -> None:
    """Make ``/proc``, ``/dev`` and ``/sys`` where missing; refuse anything but directories."""
    for path in SYSTEM_DIRECTORIES:
        kind = descriptor.kind_at(root, path)
        if kind == 0:
            os.mkdir(path.lstrip("/"), 0o755, dir_fd=root)
        elif not stat.S_ISDIR(kind):
            message = f"{name}: the image has no directory at {path}, but something else"
            raise errors.HostileLayer(message, hint="Mounting there could lead out of the container.")


def prepare_our_files(root: int) -> None:
    """Empty regular files to mount ``/etc/hosts`` and its kin over."""
    directory = descriptor.make_directories(root, "etc")
    try:
        for path in OUR_FILES:
            name = path.rpartition("/")[2]
            kind = descriptor.kind_at(directory, name)
            if kind and not stat.S_ISREG(kind):
                if stat.S_ISDIR(kind):
                    message = f"the image has a directory at {path}"
                    raise errors.HostileLayer(message)
                os.unlink(name, dir_fd=directory)
                kind = 0
            if not kind:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=directory))
    finally:
        os.close(directory)


def prepare(root: int, target: str, *, is_directory: bool) -> str:
    """Make ``target`` (an absolute path in the container) and return it with every link resolved."""
    try:
        opened = descriptor.make_directories(root, target) if is_directory else _file(root, target)
    except OSError as error:
        message = f"cannot mount at {target}: {error.strerror}"
        raise errors.OperationFailed(message, hint="A file may be where a directory must be.") from error
    try:
        return descriptor.real_path(root, opened)
    finally:
        os.close(opened)


def _file(root: int, target: str) -> int:
    try:
        return descriptor.open_in_root(root, target, os.O_PATH)
    except FileNotFoundError:
        parent, _, name = target.rpartition("/")
        directory = descriptor.make_directories(root, parent)
        try:
            made = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=directory)
            os.close(made)
        finally:
            os.close(directory)
        return descriptor.open_in_root(root, target, os.O_PATH)
