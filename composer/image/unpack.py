"""Writes a tar stream as a layer's tree, beneath a directory descriptor.

Our own extractor: ``tarfile`` only parses headers (its ``extract`` filters were bypassed again and
again, and forbid what images need).  Every parent directory is opened with ``openat2`` in root mode,
every entry is made relative to that descriptor with ``O_NOFOLLOW``/``O_EXCL`` semantics, so a link
that an earlier entry planted cannot lead out.  Limits bound what a small archive may cost.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import attrs

from composer import errors
from composer.host import descriptor
from composer.image import compression, tarpolicy, tarstream
from composer.image.blobs import Reader
from composer.image.tarpolicy import Header, Kind

_CHUNK = 1 << 20
_KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
    tarfile.GNUTYPE_SPARSE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.FIFOTYPE: Kind.FIFO,
    tarfile.CHRTYPE: Kind.CHARACTER,
    tarfile.BLKTYPE: Kind.BLOCK,
}
_PAX_XATTR = "SCHILY.xattr."


@attrs.frozen(kw_only=True)
class Limits:
    """What one layer may cost; a breach refuses it.  ``sparse`` bounds the length of a file with holes."""

    entries: int = 2_000_000
    bytes: int = 64 * 1024**3
    sparse: int = 8 * 1024**3


class _Hashing:
    """Counts and hashes the plain archive; refuses more than the limit."""

    def __init__(self, limit: int, watch: Callable[[bytes], object] | None) -> None:
        self._limit = limit
        self._watch = watch
        self._digest = hashlib.sha256()
        self.count = 0

    def take(self, data: bytes) -> None:
        self.count += len(data)
        if self.count > self._limit:
            raise errors.HostileLayer(f"the layer unpacks to more than {self._limit} bytes")
        self._digest.update(data)
        if self._watch is not None:
            self._watch(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"


@attrs.frozen(kw_only=True)
class Unpacked:
    """What an archive held: the digest and length of the plain tar, and the bytes of its files."""

    diff_id: str
    size: int
    archive: int


def unpack(
    stream: Reader,
    target: Path,
    *,
    limits: Limits = Limits(),
    watch: Callable[[bytes], object] | None = None,
) -> Unpacked:
    """Write the archive below ``target`` (an empty directory); ``watch`` is given the plain archive, too.

    Raises ``HostileLayer`` or ``ImageError``; what was written by then is the caller's to delete.
    """
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    hashing = _Hashing(limits.bytes, watch)
    writer = _Writer(root, limits)
    try:
        with compression.plain(stream, hashing.take) as source:
            with tarstream.opened(source, most=limits.entries) as (archive, entries):
                for member in entries:
                    writer.write(member, functools.partial(archive.extractfile, member))
            writer.finish()
            while source.read(_CHUNK):
                pass  # the digest is over everything, padding too
    except OSError as error:
        message = f"cannot unpack into {target}: {error.strerror}"
        raise errors.ImageError(message, hint="Is the disk full?") from error
    finally:
        writer.close()
        os.close(root)
    return Unpacked(diff_id=hashing.digest, size=writer.size, archive=hashing.count)


@attrs.frozen
class _Entry:
    """An accepted entry: where it goes and what it is."""

    path: str
    link: str
    header: Header
    member: tarfile.TarInfo
    content: Callable[[], IO[bytes] | None]


_MOST_OPEN = 128
"""Descriptors of directories kept for the entries to come."""


class _Writer:
    """Applies decisions beneath the root descriptor.

    Directories stay open while entries are written into them.  Whenever an entry takes the place of
    another one, every path may lead elsewhere, so all of them are forgotten.
    """

    def __init__(self, root: int, limits: Limits) -> None:
        self._root = root
        self._limits = limits
        self._directories: list[tuple[str, tarfile.TarInfo]] = []
        self._implied = {""}
        self._open: dict[str, int] = {}
        self.size = 0

    def close(self) -> None:
        """Give the descriptors up."""
        for opened in self._open.values():
            os.close(opened)
        self._open.clear()

    def write(self, member: tarfile.TarInfo, content: Callable[[], IO[bytes] | None]) -> None:
        header = _header_of(member)
        decision = tarpolicy.decide(header)
        match decision:
            case tarpolicy.Refuse(reason):
                shown = member.name.encode("unicode_escape", "surrogateescape").decode("ascii")
                raise errors.HostileLayer(f"refused: entry {shown[:200]!r}: {reason}")
            case tarpolicy.Skip():
                return
            case tarpolicy.Opaque(path):
                self._mark_opaque(path)
            case tarpolicy.Whiteout(path):
                self._hide(path)
            case tarpolicy.Accept(path, link):
                self._place(_Entry(path, link, header, member, content))

    def finish(self) -> None:
        """Times and modes of directories, deepest first: later entries would have changed them.

        Directories that the archive only implies, the root too, get the time 0: one archive, one tree.
        """
        self.close()
        described = dict(self._directories)
        for path in sorted({*described, *self._implied}, key=lambda one: (-one.count("/"), one)):
            member = described.get(path)
            try:
                opened = descriptor.open_in_root(
                    self._root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                )
            except OSError:
                continue  # something else took the place later
            try:
                if member is not None:
                    os.fchmod(opened, member.mode & 0o7777)
                moment = member.mtime if member is not None else 0
                os.utime(opened, (moment, moment))
            finally:
                os.close(opened)

    def _parent(self, path: str) -> tuple[int, str]:
        """The directory that an entry goes into, opened and kept, and its name there."""
        head, _, name = path.rpartition("/")
        if not head:
            return self._root, name
        opened = self._open.get(head)
        if opened is None:
            if len(self._open) >= _MOST_OPEN:
                self.close()
            opened = self._open[head] = self._open_or_imply(head)
        return opened, name

    def _open_or_imply(self, path: str) -> int:
        try:
            return descriptor.open_in_root(self._root, path, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            opened = descriptor.make_directories(self._root, path)
            # Below a link that led nowhere they are made where it points: both ways lead to new ones.
            for way in (path, descriptor.real_path(self._root, opened).lstrip("/")):
                parts = way.split("/")
                self._implied.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
            return opened

    def _replace(self, parent: int, name: str) -> None:
        """Remove what an earlier entry of the same layer put there; every kept path may be another now."""
        kept = os.dup(parent)
        try:
            self.close()
            _clear(kept, name)
        finally:
            os.close(kept)

    def _place(self, entry: _Entry) -> None:
        if not entry.path:
            if entry.header.kind is Kind.DIRECTORY:
                os.fchown(self._root, entry.member.uid, entry.member.gid)
                os.fchmod(self._root, entry.member.mode & 0o7777)
                self._directories.append(("", entry.member))
            return
        for _ in range(2):
            parent, name = self._parent(entry.path)
            try:
                self._make(parent, name, entry)
            except FileExistsError:
                self._replace(parent, name)
            else:
                return
        message = f"cannot write {entry.path}: something else is in its place"
        raise errors.ImageError(message)

    def _make(self, parent: int, name: str, entry: _Entry) -> None:
        """Make one entry; raises ``FileExistsError`` when the name is taken."""
        header, member = entry.header, entry.member
        match header.kind:
            case Kind.DIRECTORY:
                self._make_directory(parent, name, entry)
                return
            case Kind.HARDLINK:
                self._link(parent, name, entry.link)
                return
            case Kind.FILE:
                self._make_file(parent, name, entry)
                return
            case Kind.SYMLINK:
                os.symlink(header.link, name, dir_fd=parent)
            case _:
                _make_node(parent, name, header, member)
        os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
        if header.kind is not Kind.SYMLINK:
            os.chmod(name, member.mode & 0o7777, dir_fd=parent)
        os.utime(name, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)

    def _make_directory(self, parent: int, name: str, entry: _Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise
        opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fchown(opened, entry.member.uid, entry.member.gid)
            os.fchmod(opened, entry.member.mode & 0o7777)
            _set_xattrs(opened, entry.header)
        finally:
            os.close(opened)
        self._directories.append((entry.path, entry.member))

    def _make_file(self, parent: int, name: str, entry: _Entry) -> None:
        member = entry.member
        opened = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent
        )
        try:
            if member.size:
                self._fill(opened, entry)
            os.fchown(opened, member.uid, member.gid)
            os.fchmod(opened, member.mode & 0o7777)
            _set_xattrs(opened, entry.header)
            os.utime(opened, (member.mtime, member.mtime))
        finally:
            os.close(opened)

    def _fill(self, opened: int, entry: _Entry) -> None:
        """Write a file's content; what an archive calls a hole stays one."""
        is_sparse = entry.member.issparse()
        if is_sparse and entry.member.size > self._limits.sparse:
            message = f"a sparse file of {entry.member.size} bytes; {self._limits.sparse} is the most"
            raise errors.HostileLayer(message)
        source = entry.content()
        while source is not None and (data := source.read(_CHUNK)):
            self.size += len(data)
            if is_sparse and not data.strip(b"\0"):
                os.lseek(opened, len(data), os.SEEK_CUR)
                continue
            while data:
                data = data[os.write(opened, data) :]
        if is_sparse:
            os.ftruncate(opened, entry.member.size)

    def _link(self, parent: int, name: str, link: str) -> None:
        head, _, last = link.rpartition("/")
        try:
            source = descriptor.open_in_root(self._root, head, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            message = f"refused: hard link to {link!r}, which is not in the layer"
            raise errors.HostileLayer(message) from error
        try:
            os.link(last, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError as error:
            message = f"refused: hard link to {link!r}: {error.strerror}"
            raise errors.HostileLayer(message) from error
        finally:
            os.close(source)

    def _hide(self, path: str) -> None:
        parent, name = self._parent(path)
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        except FileExistsError:
            self._replace(parent, name)
            parent, name = self._parent(path)
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)

    def _mark_opaque(self, path: str) -> None:
        opened = self._open_or_imply(path)
        try:
            os.setxattr(f"/proc/self/fd/{opened}", "trusted.overlay.opaque", b"y")
        finally:
            os.close(opened)


def _header_of(member: tarfile.TarInfo) -> Header:
    return Header(
        name=member.name,
        kind=_KINDS.get(member.type, Kind.OTHER),
        size=member.size,
        link=member.linkname,
        uid=member.uid,
        gid=member.gid,
        major=member.devmajor,
        minor=member.devminor,
        xattrs={
            key.removeprefix(_PAX_XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith(_PAX_XATTR)
        },
    )


def _clear(parent: int, name: str) -> None:
    """Remove what an earlier entry of the same layer put there."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        import shutil

        shutil.rmtree(name, dir_fd=parent)


def _make_node(parent: int, name: str, header: Header, member: tarfile.TarInfo) -> None:
    types = {Kind.FIFO: stat.S_IFIFO, Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}
    device = 0 if header.kind is Kind.FIFO else os.makedev(header.major, header.minor)
    os.mknod(name, types[header.kind] | (member.mode & 0o7777), device, dir_fd=parent)


def _set_xattrs(opened: int, header: Header) -> None:
    for name, value in header.xattrs.items():
        try:
            os.setxattr(opened, name, value)
        except OSError as error:
            if not name.startswith(("user.", "security.")):
                continue  # what this file system cannot keep (ACLs on tmpfs) is no reason to refuse
            message = f"cannot set attribute {name}: {error.strerror}"
            raise errors.ImageError(message) from error
