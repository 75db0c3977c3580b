"""Writes a tar stream as a layer's tree, beneath a directory descriptor.

Our own extractor: ``tarfile`` only parses headers (its ``extract`` filters were bypassed again and
again, and forbid what images need).  Every parent directory is opened with ``openat2`` in root mode,
every entry is made relative to that descriptor with ``O_NOFOLLOW``/``O_EXCL`` semantics, so a link
that an earlier entry planted cannot lead out.  Limits bound what a small archive may cost.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import attrs

from composer import errors
from composer.host import descriptor
from composer.image import tarpolicy
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
    """What one layer may cost; a breach refuses it."""

    entries: int = 2_000_000
    bytes: int = 64 * 1024**3
    headers: int = 1024 * 1024


def decompressed(stream: Reader) -> Reader:
    """The plain tar of a stream that may be gzip, xz, bzip2 or zstd (told by its first bytes)."""
    head = stream.read(6)
    whole = _Prefixed(head, stream)
    if head.startswith(b"\x1f\x8b"):
        return _Gunzip(whole)
    if head.startswith(b"\xfd7zXZ\0"):
        import lzma

        return cast("Reader", lzma.LZMAFile(cast("BinaryIO", whole)))
    if head.startswith(b"BZh"):
        import bz2

        return cast("Reader", bz2.BZ2File(cast("BinaryIO", whole)))
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstd(whole)
    return whole


class _Prefixed:
    """A stream of which some bytes were read already."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            data, self._head = self._head + self._rest.read(), b""
            return data
        data, self._head = self._head[:size], self._head[size:]
        return data or self._rest.read(size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._head = b""

    @property
    def closed(self) -> bool:
        return False


class _Gunzip:
    """gzip, member after member (RFC 1952); truncation is an error."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._engine = zlib.decompressobj(wbits=31)
        self._pending = b""
        self._is_over = False

    def read(self, size: int = -1, /) -> bytes:
        wanted = _CHUNK if size < 0 else size
        while not self._is_over:
            if self._engine.eof:
                self._next_member()
                continue
            data = self._engine.decompress(self._pending, wanted)
            self._pending = self._engine.unconsumed_tail or self._engine.unused_data
            if data:
                return data
            if not self._engine.eof and not self._pending:
                self._pending = self._source.read(_CHUNK)
                if not self._pending:
                    raise errors.ImageError("the archive is truncated")
        return b""

    def _next_member(self) -> None:
        self._pending = self._pending or self._source.read(_CHUNK)
        if not self._pending.strip(b"\0"):
            self._is_over = True
            return
        if not self._pending.startswith(b"\x1f"):
            raise errors.ImageError("the archive has garbage behind its end")
        self._engine = zlib.decompressobj(wbits=31)


class _Zstd:
    """zstd through its tool, which every distribution has and Python 3.11 lacks."""

    def __init__(self, source: Reader) -> None:
        import subprocess
        import threading

        from composer.host import process

        try:
            self._tool = subprocess.Popen(
                ["zstd", "-dcq"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=process.ENVIRONMENT,
            )
        except FileNotFoundError as error:
            message = "zstd is not installed"
            raise errors.HostUnsupported(message, hint="Install the package zstd.") from error
        threading.Thread(target=self._feed, args=(source,), daemon=True).start()

    def _feed(self, source: Reader) -> None:
        assert self._tool.stdin is not None
        try:
            while data := source.read(_CHUNK):
                self._tool.stdin.write(data)
            self._tool.stdin.close()
        except BrokenPipeError:
            return

    def read(self, size: int = -1, /) -> bytes:
        assert self._tool.stdout is not None
        data = self._tool.stdout.read(size)
        if not data and self._tool.wait() != 0:
            raise errors.ImageError("the archive is truncated or damaged")
        return data


class _Hashing:
    """Counts and hashes what passes; refuses more than the limit."""

    def __init__(self, source: Reader, limit: int) -> None:
        self._source = source
        self._limit = limit
        self._digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self.count += len(data)
        if self.count > self._limit:
            raise errors.HostileLayer(f"the layer unpacks to more than {self._limit} bytes")
        self._digest.update(data)
        return data

    def drain(self) -> None:
        """Read to the end: the digest is over everything, padding too."""
        while self.read(_CHUNK):
            pass

    @property
    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"


@attrs.frozen(kw_only=True)
class Unpacked:
    """What an archive held: the digest and length of the plain tar, and the bytes of its files."""

    diff_id: str
    size: int
    archive: int


def unpack(stream: Reader, target: Path, *, limits: Limits = Limits()) -> Unpacked:
    """Write the archive below ``target`` (an empty directory).

    Raises ``HostileLayer`` or ``ImageError``; what was written by then is the caller's to delete.
    """
    source = _Hashing(decompressed(stream), limits.bytes)
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        writer = _Writer(root)
        for member, content in _members(source, limits):
            writer.write(member, content)
        writer.finish()
        source.drain()
    except (tarfile.TarError, zlib.error, EOFError, UnicodeError) as error:
        message = f"the archive is damaged: {error}"
        raise errors.ImageError(message) from error
    except OSError as error:
        message = f"cannot unpack into {target}: {error.strerror}"
        raise errors.ImageError(message, hint="Is the disk full?") from error
    finally:
        os.close(root)
    return Unpacked(diff_id=source.digest, size=writer.size, archive=source.count)


def _members(
    source: _Hashing, limits: Limits
) -> Iterator[tuple[tarfile.TarInfo, Callable[[], BinaryIO | None]]]:
    stream = cast("BinaryIO", source)
    with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        for count, member in enumerate(archive):
            if count >= limits.entries:
                raise errors.HostileLayer(f"the layer has more than {limits.entries} entries")
            if sum(len(k) + len(v) for k, v in member.pax_headers.items()) > limits.headers:
                raise errors.HostileLayer("the layer has an oversized header")
            cast("Any", archive).members = []  # a stream needs no index; it would grow for ever
            yield member, lambda member=member: archive.extractfile(member)  # type: ignore[misc]


class _Writer:
    """Applies decisions beneath the root descriptor."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._directories: list[tuple[str, tarfile.TarInfo]] = []
        self.size = 0

    def write(self, member: tarfile.TarInfo, content: Callable[[], BinaryIO | None]) -> None:
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
                self._place(path, link, header, member, content)

    def finish(self) -> None:
        """Times and modes of directories, deepest first: later entries would have changed them."""
        for path, member in sorted(self._directories, key=lambda item: -item[0].count("/")):
            try:
                opened = descriptor.open_in_root(
                    self._root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                )
            except OSError:
                continue  # something else took the place later
            try:
                os.fchmod(opened, member.mode & 0o7777)
                os.utime(opened, (member.mtime, member.mtime))
            finally:
                os.close(opened)

    def _parent(self, path: str) -> tuple[int, str]:
        head, _, name = path.rpartition("/")
        return descriptor.make_directories(self._root, head), name

    def _place(
        self,
        path: str,
        link: str,
        header: Header,
        member: tarfile.TarInfo,
        content: Callable[[], BinaryIO | None],
    ) -> None:
        if not path:
            if header.kind is Kind.DIRECTORY:
                os.fchown(self._root, member.uid, member.gid)
                os.fchmod(self._root, member.mode & 0o7777)
                self._directories.append(("", member))
            return
        parent, name = self._parent(path)
        try:
            if header.kind is Kind.DIRECTORY:
                self._make_directory(parent, name, path, header, member)
                return
            _clear(parent, name)
            if header.kind is Kind.HARDLINK:
                self._link(parent, name, link)
                return
            if header.kind is Kind.FILE:
                self._make_file(parent, name, header, member, content)
                return
            if header.kind is Kind.SYMLINK:
                os.symlink(header.link, name, dir_fd=parent)
            else:
                _make_node(parent, name, header, member)
            os.chown(name, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
            if header.kind is not Kind.SYMLINK:
                os.chmod(name, member.mode & 0o7777, dir_fd=parent)
            os.utime(name, (member.mtime, member.mtime), dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(parent)

    def _make_directory(
        self, parent: int, name: str, path: str, header: Header, member: tarfile.TarInfo
    ) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=parent)
                os.mkdir(name, 0o700, dir_fd=parent)
        opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fchown(opened, member.uid, member.gid)
            os.fchmod(opened, member.mode & 0o7777)
            _set_xattrs(opened, header)
        finally:
            os.close(opened)
        self._directories.append((path, member))

    def _make_file(
        self,
        parent: int,
        name: str,
        header: Header,
        member: tarfile.TarInfo,
        content: Callable[[], BinaryIO | None],
    ) -> None:
        opened = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent
        )
        try:
            source = content()
            while source is not None and (data := source.read(_CHUNK)):
                self.size += len(data)
                while data:
                    data = data[os.write(opened, data) :]
            os.fchown(opened, member.uid, member.gid)
            os.fchmod(opened, member.mode & 0o7777)
            _set_xattrs(opened, header)
            os.utime(opened, (member.mtime, member.mtime))
        finally:
            os.close(opened)

    def _link(self, parent: int, name: str, link: str) -> None:
        head, _, last = link.rpartition("/")
        try:
            source = descriptor.open_in_root(self._root, head, os.O_PATH | os.O_DIRECTORY)
        except OSError as error:
            message = f"refused: hard link to {link!r}, which is not in the layer"
            raise errors.HostileLayer(message) from error
        try:
            os.link(last, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            message = f"refused: hard link to {link!r}: {error.strerror}"
            raise errors.HostileLayer(message) from error
        finally:
            os.close(source)

    def _hide(self, path: str) -> None:
        parent, name = self._parent(path)
        try:
            _clear(parent, name)
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
        finally:
            os.close(parent)

    def _mark_opaque(self, path: str) -> None:
        opened = descriptor.make_directories(self._root, path)
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
