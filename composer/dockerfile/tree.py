"""A directory tree read and written beneath one descriptor, as if its root were ``/``.

A build context, the root of a stage and the root that a step writes are all untrusted: any link in
them may point anywhere, and a context may change while it is read.  So a path is first resolved
here, link by link, absolute links and ``..`` staying inside (what ``chroot`` would see, also for
parts that do not exist yet); the resolved path is then opened by ``openat2`` without following any
link.  A link that is swapped in between makes the opening fail, never escape.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from composer.host import descriptor

_MOST_LINKS = 40
"""As many as the kernel follows (``MAXSYMLINKS``, path_resolution(7))."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_BENEATH = descriptor.RESOLVE_BENEATH | descriptor.RESOLVE_NO_SYMLINKS


class Tree:
    """The tree below ``root``.  Paths are relative, clean, with slashes; "" is the root itself.

    Methods raise ``OSError``; the builder turns it into a ``BuildError`` with the instruction's place.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._directory = ("", self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptors up."""
        self._forget_directory()
        os.close(self._root)

    def resolve(self, path: str, *, follows_last: bool = True) -> str:
        """Where ``path`` leads when every link on the way is followed inside the tree."""
        pending = path.split("/")[::-1]
        resolved: list[str] = []
        links = 0
        while pending:
            name = pending.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                if resolved:
                    resolved.pop()
                continue
            target = None
            if follows_last or any(part not in {"", "."} for part in pending):
                target = self.link("/".join((*resolved, name)))
            if target is None:
                resolved.append(name)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                resolved.clear()
            pending.extend(target.split("/")[::-1])
        return "/".join(resolved)

    def status(self, path: str) -> os.stat_result | None:
        """What stands at a resolved path (links are not followed); ``None`` when nothing does."""
        if not path:
            return os.fstat(self._root)
        parent, _, name = path.rpartition("/")
        try:
            return os.stat(name, dir_fd=self.directory(parent), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def is_directory(self, path: str) -> bool:
        """Whether a resolved path is a directory."""
        status = self.status(path)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def link(self, path: str) -> str | None:
        """The target of the link at a resolved path; ``None`` when no link is there."""
        parent, _, name = path.rpartition("/")
        try:
            return os.readlink(name, dir_fd=self.directory(parent))
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOENT, errno.ENOTDIR}:
                return None
            raise

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(os.listdir(self.directory(path)))

    def directory(self, path: str) -> int:
        """A descriptor of a resolved directory, valid until the next call."""
        if path != self._directory[0]:
            opened = self.open(path, _DIRECTORY) if path else self._root
            self._forget_directory()
            self._directory = (path, opened)
        return self._directory[1]

    def open(self, path: str, flags: int) -> int:
        """Open a resolved path, following no link; the caller closes it."""
        return descriptor.openat2(self._root, path or ".", flags, resolve=_BENEATH)

    def read(self, path: str, *, limit: int) -> bytes | None:
        """Read at most ``limit`` bytes of the file at any path; ``None`` when no file is there."""
        resolved = self.resolve(path)
        status = self.status(resolved)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        with os.fdopen(self.open_file(resolved), "rb") as file:
            return file.read(limit)

    def open_file(self, path: str) -> int:
        """Open the regular file at a resolved path; never waits for the other end of a fifo."""
        opened = self.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise OSError(errno.EINVAL, "is not a regular file any more", path)
        return opened

    def _forget_directory(self) -> None:
        path, opened = self._directory
        if path:
            os.close(opened)
        self._directory = ("", self._root)
