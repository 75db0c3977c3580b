"""Prepares the places in a container's root where something will be mounted.

The image's content is not ours to trust: a symlink at ``/dev`` or at a mount target has led
runtimes out of the container (CVE-2026-41579, CVE-2026-47766, CVE-2021-30465).  So every target is
resolved and made by us, beneath the root's descriptor, before the runtime sees it, and the runtime
gets the resolved path.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from composer import errors
from composer.host import descriptor

SYSTEM_DIRECTORIES = ("/proc", "/dev", "/sys")
"""Mounted by the runtime itself: each must be a plain directory."""

OUR_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files we mount over: a link there is replaced, never followed."""


_MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


@attrs.frozen(kw_only=True)
class _Stub:
    """Something we made to mount over: an empty directory or file, perhaps in place of a link."""

    parent: int
    name: str
    is_directory: bool = False
    replaced_link: str | None = None

    def undo(self) -> None:
        """Take it away again where it still is as we made it."""
        with contextlib.suppress(OSError):
            if self.is_directory:
                os.rmdir(self.name, dir_fd=self.parent)
                return
            status = os.stat(self.name, dir_fd=self.parent, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or status.st_size:
                return
            os.unlink(self.name, dir_fd=self.parent)
            if self.replaced_link is not None:
                os.symlink(self.replaced_link, self.name, dir_fd=self.parent)


def prepare_system(root: int, name: str) -> tuple[_Stub, ...]:
    """Make ``/proc``, ``/dev`` and ``/sys`` where missing; refuse anything but directories."""
    made = []
    for path in SYSTEM_DIRECTORIES:
        kind = descriptor.kind_at(root, path)
        if kind == 0:
            os.mkdir(path.lstrip("/"), 0o755, dir_fd=root)
            made.append(_Stub(parent=root, name=path.lstrip("/"), is_directory=True))
        elif not stat.S_ISDIR(kind):
            message = f"{name}: the image has no directory at {path}, but something else"
            raise errors.HostileLayer(message, hint="Mounting there could lead out of the container.")
    return tuple(made)


def prepare_our_files(root: int) -> None:
    """Empty regular files to mount ``/etc/hosts`` and its kin over."""
    directory = descriptor.make_directories(root, "etc")
    try:
        _make_our_files(directory)
    finally:
        os.close(directory)


def _make_our_files(directory: int) -> tuple[_Stub, ...]:
    made = []
    for path in OUR_FILES:
        name = path.rpartition("/")[2]
        kind = descriptor.kind_at(directory, name)
        link = None
        if kind and not stat.S_ISREG(kind):
            if stat.S_ISDIR(kind):
                message = f"the image has a directory at {path}"
                raise errors.HostileLayer(message)
            link = os.readlink(name, dir_fd=directory) if stat.S_ISLNK(kind) else None
            os.unlink(name, dir_fd=directory)
            kind = 0
        if not kind:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=directory))
            made.append(_Stub(parent=directory, name=name, replaced_link=link))
    return tuple(made)


@contextmanager
def stubs(root: int, name: str) -> Iterator[None]:
    """All of the above for a build step, whose root becomes a layer: undone when the step has ended.

    The step may rename ``/etc``; what is undone is found through its descriptor.
    """
    made = list(prepare_system(root, name))
    has_directory = descriptor.kind_at(root, "/etc") != 0
    directory = descriptor.make_directories(root, "etc")
    try:
        before = os.stat(directory)
        made += _make_our_files(directory)
        between = os.stat(directory)
        try:
            yield
        finally:
            is_untouched = os.stat(directory).st_mtime_ns == between.st_mtime_ns
            for stub in made:
                stub.undo()
            if is_untouched:
                # An O_PATH descriptor takes no times itself (open(2)).
                times = (before.st_atime_ns, before.st_mtime_ns)
                os.utime(f"/proc/self/fd/{directory}", ns=times)
    finally:
        os.close(directory)
    if not has_directory:
        _Stub(parent=root, name="etc", is_directory=True).undo()


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


class Places:
    """As ``prepare``, for a root that becomes a layer: what was made is taken away by ``undo``.

    Only what is still as it was made goes, found through descriptors of the directories that held it
    (a step may put links in their place: CVE-2024-23652), and those directories get their times back.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._made: list[tuple[_Stub, tuple[int, int]]] = []

    def prepare(self, target: str, *, is_directory: bool) -> str:
        """Make ``target``, remembering what was missing of it; returns it with every link resolved.

        Links are followed inside the root, also those that lead to what is not there yet.
        """
        pending = target.split("/")[::-1]
        resolved: list[str] = []
        links = 0
        while pending:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                del resolved[-1:]
                continue
            path = "/".join((*resolved, name))
            kind = descriptor.kind_at(self._root, path)
            if stat.S_ISLNK(kind):
                links += 1
                if links > _MOST_LINKS:
                    break  # ``prepare`` says what is wrong
                link = self._link(path)
                if link.startswith("/"):
                    resolved.clear()
                pending += link.split("/")[::-1]
                continue
            if not kind:
                self._make(path, is_directory=is_directory or any(part not in ("", ".") for part in pending))
            resolved.append(name)
        return prepare(self._root, "/" + "/".join(resolved or ("",)), is_directory=is_directory)

    def _link(self, path: str) -> str:
        head, _, name = path.rpartition("/")
        parent = descriptor.open_in_root(self._root, head, os.O_PATH | os.O_DIRECTORY)
        try:
            return os.readlink(name, dir_fd=parent)
        finally:
            os.close(parent)

    def undo(self) -> None:
        """Take everything away again, last made first, and forget it."""
        for stub, times in reversed(self._made):
            stub.undo()
            with contextlib.suppress(OSError):
                os.utime(f"/proc/self/fd/{stub.parent}", ns=times)
            os.close(stub.parent)
        self._made.clear()

    def _make(self, path: str, *, is_directory: bool) -> None:
        head, _, name = path.rpartition("/")
        parent = descriptor.open_in_root(self._root, head, os.O_PATH | os.O_DIRECTORY)
        try:
            status = os.stat(parent)
            if is_directory:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=parent))
        except OSError:
            os.close(parent)
            raise
        stub = _Stub(parent=parent, name=name, is_directory=is_directory)
        self._made.append((stub, (status.st_atime_ns, status.st_mtime_ns)))


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
