"""File trees read and written beneath a directory descriptor, entry by entry.

``walk`` reads a tree that somebody may be changing meanwhile: every entry is opened beneath the
descriptor with ``openat2(2)``, never through a link, and described by what was opened.  ``Placer``
writes entries: the directory each goes into is opened the same way, the entry is made under a name of
our own and renamed, so that whoever swaps a directory for a link meanwhile gets nothing written
elsewhere (CVE-2018-15664).  What is opened is never a device, a fifo or a socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import attrs

from composer import errors
from composer.host import descriptor

CHUNK = 1 << 20
KEPT_XATTRS = ("security.capability", "user.")
"""Beginnings of the names of extended attributes that mean something elsewhere, too."""

_INSIDE = descriptor.RESOLVE_BENEATH | descriptor.RESOLVE_NO_SYMLINKS
_PREFIX = ".composer-copy-"


@attrs.frozen(kw_only=True)
class Entry:
    """One entry of a tree.  ``path`` is relative and clean; "" is the root itself.

    ``mode`` has the type bits.  ``hardlink`` is the path of an earlier entry that is the same file;
    ``content`` opens a regular file's bytes, exactly ``size`` of them.
    """

    path: str
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: float = 0.0
    size: int = 0
    link: str = ""
    hardlink: str = ""
    device: int = 0
    xattrs: Mapping[str, bytes] = attrs.field(factory=dict)
    content: Callable[[], contextlib.AbstractContextManager[BinaryIO]] | None = attrs.field(
        default=None, repr=False
    )

    def is_kind(self, kind: int) -> bool:
        """Whether it is of a kind (``stat.S_IFDIR``, ...)."""
        return stat.S_IFMT(self.mode) == kind


# --------------------------------------------------------------------------- reading


def walk(opened: int, *, name: str = "", xattrs: tuple[str, ...] = KEPT_XATTRS) -> Iterator[Entry]:
    """The entry behind a descriptor (``O_PATH``), called ``name``, and everything below it.

    Sorted, parents first.  What vanishes or changes its kind meanwhile is left out; sockets are.
    ``xattrs`` begin the names of the extended attributes that are read.
    """
    seen: dict[tuple[int, int], str] = {}
    pending = [("", name)]
    while pending:
        below, path = pending.pop()
        try:
            entry, names = _described(opened, below, path, seen, xattrs)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.EXDEV, errno.ENOTDIR) and below:
                continue
            raise _failure("read", path or "/", error) from error
        if entry is None:
            continue
        yield entry
        pending += [
            (f"{below}/{child}" if below else child, f"{path}/{child}" if path else child)
            for child in sorted(names, key=os.fsencode, reverse=True)
        ]


def _described(
    opened: int, below: str, path: str, seen: dict[tuple[int, int], str], wanted: tuple[str, ...]
) -> tuple[Entry | None, list[str]]:
    """An entry and the names in it, from one opening of it."""
    own = (
        descriptor.openat2(opened, below, os.O_PATH | os.O_NOFOLLOW, resolve=_INSIDE)
        if below
        else os.dup(opened)
    )
    try:
        status = os.fstat(own)
        entry = Entry(
            path=path,
            mode=status.st_mode,
            uid=status.st_uid,
            gid=status.st_gid,
            mtime=status.st_mtime,
            device=status.st_rdev,
        )
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFSOCK:
            return None, []
        if kind == stat.S_IFLNK:
            return attrs.evolve(entry, link=os.readlink("", dir_fd=own)), []
        if kind == stat.S_IFDIR:
            readable = _reopened(own, os.O_RDONLY | os.O_DIRECTORY)
            try:
                return attrs.evolve(entry, xattrs=_xattrs(readable, wanted)), os.listdir(readable)
            finally:
                os.close(readable)
        if kind != stat.S_IFREG:
            return entry, []
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in seen:
            return attrs.evolve(entry, hardlink=seen[key]), []
        seen[key] = path
        readable = _reopened(own, os.O_RDONLY)
        try:
            xattrs = _xattrs(readable, wanted)
        finally:
            os.close(readable)
        size = status.st_size
        return (
            attrs.evolve(entry, size=size, xattrs=xattrs, content=lambda: _content(opened, below, key, size)),
            [],
        )
    finally:
        os.close(own)


def _reopened(opened: int, flags: int) -> int:
    """A descriptor for reading what an ``O_PATH`` one is open at, which is known to be no device."""
    return os.open(f"/proc/self/fd/{opened}", flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)


@contextlib.contextmanager
def _content(opened: int, below: str, key: tuple[int, int], size: int) -> Iterator[BinaryIO]:
    """The bytes of a file that was described; raises when it is another one by now."""
    own = (
        descriptor.openat2(opened, below, os.O_PATH | os.O_NOFOLLOW, resolve=_INSIDE)
        if below
        else os.dup(opened)
    )
    try:
        status = os.fstat(own)
        if (status.st_dev, status.st_ino) != key or not stat.S_ISREG(status.st_mode):
            raise OSError(errno.ESTALE, "it was replaced while it was read", below)
        readable = _reopened(own, os.O_RDONLY)
    finally:
        os.close(own)
    with open(readable, "rb", buffering=0) as file:
        yield _Exactly(file, size)  # type: ignore[misc]


class _Exactly:
    """A file's first ``size`` bytes, with zeros for what was cut off meanwhile."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted) if wanted else b""
        if wanted and not data:
            data = bytes(wanted)
        self._left -= len(data)
        return data


def _xattrs(readable: int, wanted: tuple[str, ...]) -> dict[str, bytes]:
    try:
        names = os.listxattr(readable)
    except OSError:
        return {}
    return {name: os.getxattr(readable, name) for name in sorted(names) if name.startswith(wanted)}


# --------------------------------------------------------------------------- writing


@attrs.frozen(kw_only=True)
class Manner:
    """How entries are written.

    ``owner`` is who gets everything, ``None`` leaves each its own.  ``follows_links`` lets links that
    were there before lead to directories (within the root, which is ``/`` to them); else they are an
    error.  ``makes_devices`` allows device nodes; without it they are left out.
    """

    owner: tuple[int, int] | None = None
    follows_links: bool = False
    makes_devices: bool = False
    keeps_setid: bool = True


class Placer:
    """Writes entries beneath ``base`` of a root descriptor; ``close`` settles times of directories."""

    def __init__(self, root: int, base: str, manner: Manner) -> None:
        self._root = root
        self._base = base.strip("/")
        self._manner = manner
        self._directories: list[tuple[str, Entry]] = []
        self.size = 0
        self.left_out: list[str] = []

    def place(self, entry: Entry) -> None:
        """Write one entry; raises ``OperationFailed`` where something else is in the way."""
        try:
            self._place(entry)
        except OSError as error:
            raise _failure("write", entry.path or "/", error) from error

    def close(self) -> None:
        """Give directories the times they had, deepest first: writing into them changed these."""
        for path, entry in sorted(self._directories, key=lambda item: -item[0].count("/")):
            with contextlib.suppress(OSError):  # it went away meanwhile, or is another by now
                opened = self._open(path, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.utime(opened, (entry.mtime, entry.mtime))
                finally:
                    os.close(opened)

    # ------------------------------------------------------------------ kinds

    def _place(self, entry: Entry) -> None:
        if not entry.path:
            return  # the directory that things are copied into is as it was
        kind = stat.S_IFMT(entry.mode)
        if kind in (stat.S_IFCHR, stat.S_IFBLK) and not self._manner.makes_devices:
            self.left_out.append(entry.path)
            return
        head, _, name = self._full(entry.path).rpartition("/")
        parent = self._open(head, os.O_PATH | os.O_DIRECTORY, is_full=True)
        try:
            if kind == stat.S_IFDIR:
                self._make_directory(parent, name, entry)
            else:
                self._make_other(parent, name, entry)
        finally:
            os.close(parent)

    def _make_directory(self, parent: int, name: str, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            there = stat.S_IFMT(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
            if there == stat.S_IFLNK and self._manner.follows_links:
                os.close(self._open(entry.path, os.O_PATH | os.O_DIRECTORY))  # or it leads to none
                return
            if there != stat.S_IFDIR:
                raise _in_the_way(entry.path, "directory", "something that is none") from None
        opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._finish(opened, entry)
        finally:
            os.close(opened)
        self._directories.append((entry.path, entry))

    def _make_other(self, parent: int, name: str, entry: Entry) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise _in_the_way(entry.path, "file", "a directory")
        if _is_mount_point(parent, name):
            # As /etc/hosts is one.  Renaming over it would take the mount away, which the kernel allows
            # where the mount is another namespace's (rename(2), since Linux 4.1).
            self._overwrite(parent, name, entry)
            return
        temporary = f"{_PREFIX}{secrets.token_hex(8)}"
        try:
            self._make(parent, temporary, entry)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=parent)

    def _make(self, parent: int, name: str, entry: Entry) -> None:
        kind = stat.S_IFMT(entry.mode)
        if entry.hardlink:
            head, _, last = self._full(entry.hardlink).rpartition("/")
            source = self._open(head, os.O_PATH | os.O_DIRECTORY, is_full=True)
            try:
                os.link(last, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(source)
            return
        if kind == stat.S_IFREG:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            opened = os.open(name, flags, 0o600, dir_fd=parent)
            try:
                self._fill(opened, entry)
                self._finish(opened, entry)
                os.utime(opened, (entry.mtime, entry.mtime))
            finally:
                os.close(opened)
            return
        if kind == stat.S_IFLNK:
            os.symlink(entry.link, name, dir_fd=parent)
        else:
            os.mknod(name, stat.S_IFMT(entry.mode) | self._mode(entry), entry.device, dir_fd=parent)
        uid, gid = self._manner.owner or (entry.uid, entry.gid)
        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _overwrite(self, parent: int, name: str, entry: Entry) -> None:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        opened = os.open(name, flags, dir_fd=parent)
        try:
            if not (entry.is_kind(stat.S_IFREG) and stat.S_ISREG(os.fstat(opened).st_mode)):
                raise OSError(errno.EBUSY, "something is mounted there", name)
            os.ftruncate(opened, 0)
            self._fill(opened, entry)
        finally:
            os.close(opened)

    def _fill(self, opened: int, entry: Entry) -> None:
        if entry.content is None:
            return
        with entry.content() as source:
            while data := source.read(CHUNK):
                self.size += len(data)
                while data:
                    data = data[os.write(opened, data) :]

    def _finish(self, opened: int, entry: Entry) -> None:
        """Owner before mode and attributes: chown(2) takes set-id bits and capabilities away."""
        os.fchown(opened, *(self._manner.owner or (entry.uid, entry.gid)))
        os.fchmod(opened, self._mode(entry))
        for name, value in entry.xattrs.items():
            if not self._manner.keeps_setid and name.startswith("security."):
                continue
            with contextlib.suppress(OSError):  # a file system that keeps none
                os.setxattr(opened, name, value)

    def _mode(self, entry: Entry) -> int:
        mode = stat.S_IMODE(entry.mode)
        return mode if self._manner.keeps_setid else mode & ~(stat.S_ISUID | stat.S_ISGID)

    # ------------------------------------------------------------------ paths

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}" if self._base else path

    def _open(self, path: str, flags: int, *, is_full: bool = False) -> int:
        full = path if is_full else self._full(path)
        resolve = descriptor.RESOLVE_IN_ROOT if self._manner.follows_links else _INSIDE
        return descriptor.openat2(self._root, full or ".", flags, resolve=resolve)


def _is_mount_point(parent: int, name: str) -> bool:
    """Whether something is mounted over a name that is no directory, in whichever namespace."""
    try:
        opened = descriptor.openat2(
            parent, name, os.O_PATH | os.O_NOFOLLOW, resolve=descriptor.RESOLVE_BENEATH
        )
    except OSError:
        return False
    try:
        return _mount_of(opened) != _mount_of(parent)
    finally:
        os.close(opened)


def _mount_of(opened: int) -> str:
    """The mount that a descriptor is in (proc(5), ``fdinfo``)."""
    with open(f"/proc/self/fdinfo/{opened}", encoding="ascii") as file:
        return next(line for line in file if line.startswith("mnt_id:"))


def _in_the_way(path: str, wanted: str, there: str) -> errors.OperationFailed:
    return errors.OperationFailed(f"cannot copy {path}: a {wanted} cannot take the place of {there}")


def _failure(verb: str, path: str, error: OSError) -> errors.OperationFailed:
    return errors.OperationFailed(f"cannot {verb} {path}: {error.strerror}")
