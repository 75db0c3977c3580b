"""COPY and ADD: selections written into the merged root of a step.

Where a source lands is decided by ``placements`` (pure).  Every destination is resolved inside the
root and opened without following links, so a link that an image holds can redirect a copy within
the image but never out of it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import stat
from collections.abc import Sequence

import attrs

from composer import errors
from composer.dockerfile.context import CHUNK, Entry, Selection
from composer.dockerfile.filemode import FileMode
from composer.dockerfile.tree import Tree
from composer.model.protocols import Interrupt

_DIRECTORY_MODE = 0o755


@attrs.frozen(kw_only=True)
class Ownership:
    """What ``--chown`` and ``--chmod`` ask for; ``None`` keeps what the source has."""

    owner: tuple[int, int] | None = None
    mode: FileMode | None = None

    def mode_of(self, mode: int, *, is_directory: bool) -> int:
        """The mode of something that has ``mode`` at its source."""
        return mode if self.mode is None else self.mode.applied_to(mode, is_directory=is_directory)


@attrs.frozen(kw_only=True)
class Placement:
    """Where one selection goes: to ``directory`` itself or, when there is a ``name``, into it.

    Links in ``directory`` are followed; a link that is called ``name`` is replaced.
    """

    selection: Selection
    directory: str
    name: str = ""


def destination_of(text: str, working_dir: str) -> tuple[str, bool]:
    """The absolute path of a destination, and whether its form says that it is a directory."""
    is_directory = text in {"", ".", ".."} or text.endswith(("/", "/.", "/.."))
    return posixpath.normpath(posixpath.join("/", working_dir, text)), is_directory


def placements(
    selections: Sequence[Selection], destination: str, *, is_directory: bool
) -> tuple[Placement, ...]:
    """Decide where each selection goes.

    The contents of a directory go into the destination; a file goes into it when it is a directory
    (by its form, or because one stands there) and becomes it otherwise.  Raises ``ValueError`` when
    several files would become one.
    """
    if not is_directory and sum(not one.is_directory for one in selections) > 1:
        message = "more than one source file: the destination must be a directory and end with a /"
        raise ValueError(message)
    return tuple(
        Placement(
            selection=one,
            directory=destination,
            name=one.name if is_directory and not one.is_directory else "",
        )
        for one in selections
    )


class Writer:
    """Writes into one root."""

    def __init__(self, root: Tree, interrupt: Interrupt) -> None:
        self.root = root
        self._interrupt = interrupt

    def place(self, placement: Placement, source: Tree, ownership: Ownership) -> None:
        """Write a whole selection.

        A directory that exists keeps its mode and owner when it is the destination itself, and takes
        the source's when it is below it, as BuildKit has it.
        """
        top = posixpath.join(self.root.resolve(placement.directory), placement.name).rstrip("/")
        made: list[tuple[str, Entry]] = []
        self.make_directories(posixpath.dirname(top), ownership)
        for entry in placement.selection.entries:
            self.check()
            target = posixpath.join(top, entry.path) if entry.path else top
            if stat.S_ISDIR(entry.kind):
                is_new = self._make_directory(target)
                if is_new or entry.path:
                    self._set_metadata(target, entry, ownership)
                    made.append((target, entry))
            else:
                self._write(target, entry, source, ownership)
        # Writing into a directory changes its time, so times are set last, deepest first.
        for target, entry in reversed(made):
            os.utime(self.root.directory(target), ns=(entry.modified, entry.modified))

    def write_content(self, directory: str, name: str, content: bytes, ownership: Ownership) -> None:
        """Write a file with given content (a here-document), 0644; as in ``place`` without a name."""
        target = posixpath.join(self.root.resolve(directory), name).rstrip("/")
        self.make_directories(posixpath.dirname(target), ownership)
        opened = self.create(target)
        with os.fdopen(opened, "wb") as file:
            file.write(content)
            file.flush()
            set_owner_and_mode(opened, ownership, (0, 0), 0o644)

    def make_directories(self, path: str, ownership: Ownership) -> str:
        """Make what is missing of a path, 0755 and root's or ``--chown``'s; returns where it leads."""
        resolved = self.root.resolve(path)
        missing: list[str] = []
        while resolved and self.root.status(resolved) is None:
            missing.append(resolved)
            resolved = posixpath.dirname(resolved)
        if not self.root.is_directory(resolved):
            message = f"/{resolved} is not a directory"
            raise NotADirectoryError(errno.ENOTDIR, message)
        for directory in reversed(missing):
            self._make_directory(directory)
            owner = attrs.evolve(ownership, mode=None)
            set_owner_and_mode(self.root.directory(directory), owner, (0, 0), _DIRECTORY_MODE)
        return missing[0] if missing else resolved

    def create(self, path: str) -> int:
        """Create a fresh file at a resolved path, in the place of whatever file or link is there."""
        self.clear(path)
        parent, _, name = path.rpartition("/")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=self.root.directory(parent))

    def clear(self, path: str) -> None:
        """Make way for something that is not a directory; a directory in the way is an error."""
        name = checked_name(path)
        status = self.root.status(path)
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            message = f"cannot copy to directory: /{path}"
            raise IsADirectoryError(errno.EISDIR, message)
        os.unlink(name, dir_fd=self.root.directory(posixpath.dirname(path)))

    def check(self) -> None:
        """Stop when asked to."""
        if self._interrupt.is_set:
            message = "the build was stopped while it copied"
            raise errors.Interrupted(message)

    def _make_directory(self, path: str) -> bool:
        """Make a directory unless it is there; anything else there is an error."""
        status = self.root.status(path)
        if status is not None:
            if not stat.S_ISDIR(status.st_mode):
                message = f"cannot copy to non-directory: /{path}"
                raise NotADirectoryError(errno.ENOTDIR, message)
            return False
        name = checked_name(path)
        os.mkdir(name, _DIRECTORY_MODE, dir_fd=self.root.directory(posixpath.dirname(path)))
        return True

    def _set_metadata(self, path: str, entry: Entry, ownership: Ownership) -> None:
        opened = self.root.directory(path)
        set_owner_and_mode(opened, ownership, (entry.uid, entry.gid), entry.mode)
        for name, value in entry.attributes:
            os.setxattr(opened, name, value)

    def _write(self, path: str, entry: Entry, source: Tree, ownership: Ownership) -> None:
        owner = ownership.owner or (entry.uid, entry.gid)
        if stat.S_ISREG(entry.kind):
            opened = self.create(path)
            try:
                self._write_checked(opened, entry, source)
                set_owner_and_mode(opened, ownership, (entry.uid, entry.gid), entry.mode)
                # After the owner: chown(2) drops file capabilities.
                for name, value in entry.attributes:
                    os.setxattr(opened, name, value)
                os.utime(opened, ns=(entry.modified, entry.modified))
            finally:
                os.close(opened)
            return
        self.clear(path)
        parent, _, name = path.rpartition("/")
        directory = self.root.directory(parent)
        if stat.S_ISLNK(entry.kind):
            os.symlink(entry.target, name, dir_fd=directory)
        else:
            os.mknod(name, entry.kind | 0o600, entry.device, dir_fd=directory)
        change_owner(name, owner, directory)
        if not stat.S_ISLNK(entry.kind):
            os.chmod(name, ownership.mode_of(entry.mode, is_directory=False), dir_fd=directory)
        os.utime(name, ns=(entry.modified, entry.modified), dir_fd=directory, follow_symlinks=False)

    def _write_checked(self, opened: int, entry: Entry, source: Tree) -> None:
        """Copy the content and prove that it is what the listing (and so the cache key) says."""
        digest = hashlib.sha256()
        reading = source.open_file(entry.location)
        try:
            while chunk := os.read(reading, CHUNK):
                self.check()
                digest.update(chunk)
                write_all(opened, chunk)
        finally:
            os.close(reading)
        if digest.hexdigest() != entry.digest:
            message = f'"/{entry.location}": changed while the build copied it'
            raise ValueError(message)


def checked_name(path: str) -> str:
    """The last part of a path; a layer cannot hold names that mean a deletion in it."""
    name = posixpath.basename(path)
    if name.startswith(".wh."):
        message = f"/{path}: a name that begins with .wh. cannot be stored in a layer"
        raise ValueError(message)
    if not name:
        message = "cannot copy to directory: /"
        raise IsADirectoryError(errno.EISDIR, message)
    return name


def write_all(opened: int, content: bytes) -> None:
    """write(2) until everything is written."""
    view = memoryview(content)
    while view:
        view = view[os.write(opened, view) :]


def set_owner_and_mode(opened: int, ownership: Ownership, owner: tuple[int, int], mode: int) -> None:
    """Set owner, then mode (chown(2) clears setuid bits), where they differ."""
    uid, gid = ownership.owner or owner
    status = os.fstat(opened)
    if (status.st_uid, status.st_gid) != (uid, gid):
        os.fchown(opened, uid, gid)
    os.fchmod(opened, ownership.mode_of(mode, is_directory=stat.S_ISDIR(status.st_mode)))


def change_owner(name: str, owner: tuple[int, int], directory: int) -> None:
    """Set the owner of something that is not opened, following no link."""
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if (status.st_uid, status.st_gid) != owner:
        os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)
