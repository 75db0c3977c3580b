"""``cp``: where things go, by Docker's rules, and the copying between a container's root and elsewhere.

``placement`` decides purely; ``Copier`` carries it out on descriptors (``host.filetree``).
"""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import attrs

from composer import errors
from composer.host import descriptor, filetree, tarstream
from composer.host.filetree import Manner, Placer
from composer.image import compression

if TYPE_CHECKING:
    from composer.image.blobs import Reader


class Kind(enum.Enum):
    """What is at a path."""

    MISSING = "missing"
    FILE = "file"
    DIRECTORY = "directory"


@attrs.frozen(kw_only=True)
class Named:
    """A path as the command line writes it, and what is there.

    ``path`` has every link resolved where something is there.  ``is_contents`` says that it ended with
    ``/.``: what is in the directory is meant, not the directory.
    """

    text: str
    path: str
    kind: Kind
    is_contents: bool = False

    @property
    def name(self) -> str:
        """The last part of the path; "" of the root and of ``.``."""
        stripped = self.text.rstrip("/")
        last = stripped.rpartition("/")[2]
        return "" if last in (".", "..") else last


@attrs.frozen
class Placement:
    """The directory to write into, and the name there; "" puts what is in a directory straight into it."""

    directory: str
    name: str


def placement(source: Named, target: Named) -> Placement:
    """Docker's table (``docker container cp``, "Extended description"); raises ``UsageError``."""
    is_slashed = target.text.endswith("/")
    parent, _, last = target.path.rstrip("/").rpartition("/")
    if source.kind is Kind.DIRECTORY:
        if target.kind is Kind.FILE:
            message = f"cannot copy a directory over the file {target.text}"
            raise errors.UsageError(message)
        if target.kind is Kind.MISSING:
            return Placement(parent or "/", last)
        return Placement(target.path, "" if source.is_contents else source.name)
    if target.kind is Kind.DIRECTORY:
        return Placement(target.path, source.name)
    if is_slashed:
        what = "is no directory" if target.kind is Kind.FILE else "does not exist"
        message = f"cannot copy to {target.text}: it {what}"
        raise errors.UsageError(message)
    return Placement(parent or "/", last)


@attrs.frozen(kw_only=True)
class Copied:
    """The bytes of files that were copied, and the devices that were left out."""

    size: int
    left_out: tuple[str, ...] = ()


class Copier:
    """Copies to and from a container's root, open at ``root``."""

    def __init__(self, root: int, *, is_archive: bool = False, follows: bool = False) -> None:
        self._root = root
        self._is_archive = is_archive
        self._follows = follows

    def to_host(self, source: str, target: str) -> Copied:
        """From the container to a path of this host; the caller gets everything, unless ``is_archive``."""
        with _opened_in(self._root, source, follows=self._follows) as (opened, named):
            where = placement(named, _on_host(target))
            owner = None if self._is_archive else (os.geteuid(), os.getegid())
            # What a container made is nobody's to run as another user, or to reach devices through.
            manner = Manner(owner=owner, keeps_setid=self._is_archive)
            directory = _host_directory(where.directory)
            try:
                return _place(opened, where.name, Placer(directory, "", manner))
            finally:
                os.close(directory)

    def from_host(self, source: str, target: str) -> Copied:
        """From a path of this host into the container; owners stay, by their numbers, as with Docker."""
        opened = _open_on_host(source, follows=self._follows)
        try:
            is_directory = stat.S_ISDIR(os.fstat(opened).st_mode)
            named = Named(
                text=source,
                path=source,
                kind=Kind.DIRECTORY if is_directory else Kind.FILE,
                is_contents=_is_contents(source),
            )
            where = placement(_named_like(named, os.path.abspath(source)), self._inside(target))
            return _place(opened, where.name, self._placer(where.directory))
        finally:
            os.close(opened)

    def to_tar(self, source: str, sink: Callable[[bytes], object]) -> Copied:
        """A tar of what is in the container, named as its last part."""
        with _opened_in(self._root, source, follows=self._follows) as (opened, named):
            name = "" if named.is_contents else named.name
            return Copied(size=tarstream.write(filetree.walk(opened, name=name), sink))

    def from_tar(self, stream: Reader, target: str) -> Copied:
        """Unpack a tar, compressed or not, in a directory of the container; no program is run for it."""
        named = self._inside(target)
        if named.kind is not Kind.DIRECTORY:
            message = f"cannot unpack into {target}: it is no directory of the container"
            raise errors.UsageError(message)
        placer = self._placer(named.path)
        plain = compression.decompressed(stream)
        for entry in tarstream.read(cast("BinaryIO", plain)):
            placer.place(entry)
        placer.close()
        return Copied(size=placer.size)

    def _placer(self, directory: str) -> Placer:
        manner = Manner(follows_links=True, makes_devices=True)
        try:
            opened = descriptor.open_in_root(self._root, directory, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            message = f"no such directory in the container: {directory}"
            raise errors.UsageError(message) from error
        os.close(opened)
        return Placer(self._root, directory, manner)

    def _inside(self, path: str) -> Named:
        """What is at a path of the container, links followed."""
        try:
            opened = descriptor.open_in_root(self._root, path or "/", os.O_PATH)
        except FileNotFoundError:
            return Named(text=path, path=_absolute(path), kind=Kind.MISSING)
        except OSError as error:
            message = f"cannot copy to {path}: {error.strerror}"
            raise errors.UsageError(message) from error
        try:
            real = descriptor.real_path(self._root, opened)
            is_directory = stat.S_ISDIR(os.fstat(opened).st_mode)
        finally:
            os.close(opened)
        return Named(text=path, path=real, kind=Kind.DIRECTORY if is_directory else Kind.FILE)


def _place(opened: int, name: str, placer: Placer) -> Copied:
    for entry in filetree.walk(opened, name=name):
        placer.place(entry)
    placer.close()
    return Copied(size=placer.size, left_out=tuple(placer.left_out))


@contextmanager
def _opened_in(root: int, path: str, *, follows: bool) -> Iterator[tuple[int, Named]]:
    """Something in a container, opened; the last link of its path is followed only when asked."""
    is_contents = _is_contents(path)
    flags = os.O_PATH if follows or is_contents or path.endswith("/") else os.O_PATH | os.O_NOFOLLOW
    try:
        opened = descriptor.open_in_root(root, path, flags)
    except OSError as error:
        message = f"no {path} in the container: {error.strerror}"
        raise errors.UsageError(message) from error
    try:
        is_directory = stat.S_ISDIR(os.fstat(opened).st_mode)
        kind = Kind.DIRECTORY if is_directory else Kind.FILE
        named = Named(text=path, path=path, kind=kind, is_contents=is_contents)
        yield opened, named
    finally:
        os.close(opened)


def _named_like(named: Named, path: str) -> Named:
    """``cp . web:/`` copies the directory by its own name."""
    return attrs.evolve(named, text=path)


def _open_on_host(path: str, *, follows: bool) -> int:
    flags = os.O_PATH | os.O_CLOEXEC
    if not follows and not path.endswith(("/", "/.")):
        flags |= os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except OSError as error:
        message = f"cannot copy {path}: {error.strerror}"
        raise errors.UsageError(message) from error


def _on_host(path: str) -> Named:
    kind = Kind.MISSING
    if os.path.isdir(path):
        kind = Kind.DIRECTORY
    elif os.path.exists(path):
        kind = Kind.FILE
    real = os.path.realpath(path) if kind is not Kind.MISSING else os.path.abspath(path)
    return Named(text=path, path=real, kind=kind)


def _host_directory(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        message = f"cannot copy into {path}: {error.strerror}"
        raise errors.UsageError(message) from error


def _is_contents(path: str) -> bool:
    return path == "." or path.endswith("/.")


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
