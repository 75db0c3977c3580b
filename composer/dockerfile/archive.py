"""ADD of a local tar archive: recognised by content, unpacked under the rules of a hostile layer.

``tarfile`` reads headers only; nothing of its extraction is used (its filters were bypassed often:
CVE-2025-4138, -4330, -4435, -4517).  Each entry is resolved inside the root that is written, so
``..`` and links lead nowhere else.  Source of the behaviour: moby ``pkg/archive``.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import lzma
import os
import posixpath
import stat
import tarfile
import zlib
from io import BufferedReader
from typing import IO, Final

from composer.dockerfile.context import CHUNK, is_kept_attribute
from composer.dockerfile.copy import (
    Ownership,
    Writer,
    change_owner,
    checked_name,
    set_owner_and_mode,
    write_all,
)
from composer.dockerfile.users import LARGEST_ID

MOST_ENTRIES: Final = 2_000_000
MOST_BYTES: Final = 1 << 36
LARGEST_RATIO: Final = 1000
"""More unpacked than this many times the archive's size is a bomb, once it is worth caring about."""
SMALLEST_BOMB: Final = 1 << 30
LARGEST_HEADER: Final = 1 << 20
_XATTR = "SCHILY.xattr."
_LATEST = 1 << 33
_LARGEST_WINDOW = 1 << 27
"""Bytes of memory that a zstd archive may ask for (what ``zstd --ultra -22`` needs)."""

_UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError, RecursionError)


class _BoundedHeader(tarfile.TarInfo):
    """A header whose extension records are bounded: tarfile reads them into memory whole.

    ``_proc_member`` is the entry point that tarfile's own comments name for sub-classes.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        is_plain = self.type in tarfile.SUPPORTED_TYPES and self.type not in {
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        }
        if not is_plain and self.size > LARGEST_HEADER:
            message = "a header of the archive is too large"
            raise ValueError(message)
        parent: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return parent


def is_archive(file: IO[bytes]) -> bool:
    """Whether a file is a tar archive, plain or compressed by gzip, bzip2 or xz; rewinds it."""
    try:
        with _opened(file) as archive:
            return archive.next() is not None
    except _UNREADABLE:
        return False
    finally:
        file.seek(0)


def unpack(
    file: BufferedReader, writer: Writer, destination: str, ownership: Ownership, *, digest: str
) -> None:
    """Unpack an archive into a directory of the root; ``--chmod`` plays no part, as in BuildKit.

    Raises ``ValueError`` for what it refuses, and when the file is not (any more) what ``digest``,
    the SHA-256 in its listing, says.
    """
    if hashlib.file_digest(file, "sha256").hexdigest() != digest:
        message = "the archive changed while the build copied it"
        raise ValueError(message)
    file.seek(0)
    size = os.fstat(file.fileno()).st_size
    ownership = Ownership(owner=ownership.owner)
    unpacking = _Unpacking(writer, writer.make_directories(destination, Ownership()), ownership)
    entries = content = 0
    try:
        with _opened(file) as archive:
            while (member := archive.next()) is not None:
                writer.check()
                entries += 1
                content += member.size if member.isreg() else 0
                if entries > MOST_ENTRIES or content > MOST_BYTES:
                    message = "the archive is too large"
                    raise ValueError(message)
                if content > max(SMALLEST_BOMB, LARGEST_RATIO * size):
                    message = f"the archive unpacks to more than {LARGEST_RATIO} times its size"
                    raise ValueError(message)
                unpacking.write(archive, member)
                archive.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every header otherwise
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RecursionError) as error:
        message = f"the archive is damaged: {error}"
        raise ValueError(message) from error
    unpacking.set_times()


def _opened(file: IO[bytes]) -> tarfile.TarFile:
    """A stream reader: it never seeks, so an archive cannot send it around in itself."""
    start = file.read(6)
    file.seek(0)
    reader: object = file
    if start.startswith(b"BZh"):
        reader = bz2.BZ2File(file)
    elif start.startswith(b"\xfd7zXZ\x00"):
        reader = lzma.LZMAFile(file)  # noqa: SIM115 -- the archive reads from it
    elif start.startswith(b"\x28\xb5\x2f\xfd"):
        reader = _Zstandard(file)
    elif start.startswith(b"\x1f\x8b"):
        reader = gzip.GzipFile(fileobj=file)
    archive: tarfile.TarFile = tarfile.TarFile.open(
        fileobj=reader,  # type: ignore[call-overload]  # all of them can be read
        mode="r|",
        tarinfo=_BoundedHeader,
        errors="surrogateescape",
    )
    return archive


class _Zstandard:
    """A stream of zstd; its errors are ``OSError``, as those of the standard library's readers."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard  # 10 ms, for those who have such an archive

        self._error = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._reader = decompressor.stream_reader(file, read_across_frames=True, closefd=False)

    def read(self, size: int = -1) -> bytes:
        """As any stream."""
        try:
            return self._reader.read(size)
        except self._error as error:
            raise OSError(errno.EIO, str(error)) from error


class _Unpacking:
    """Writes the entries of one archive below ``top``, a resolved directory of the root."""

    def __init__(self, writer: Writer, top: str, ownership: Ownership) -> None:
        self._writer = writer
        self._root = writer.root
        self._top = top
        self._ownership = ownership
        self._times: list[tuple[str, int]] = []

    def write(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Write one entry; parents that no entry made are 0755 and root's."""
        name = _clean(member.name, member.name)
        if not name:
            return  # the archive's own root: the destination keeps its mode
        parent = self._writer.make_directories(
            posixpath.join("/", self._top, posixpath.dirname(name)), Ownership()
        )
        path = posixpath.join(parent, posixpath.basename(name))
        base = checked_name(path)
        modified = round(min(max(float(member.mtime), 0.0), _LATEST) * 1_000_000_000)
        if member.isdir():
            self._write_directory(member, path)
            self._times.append((path, modified))
            return
        if member.islnk():
            self._write_hard_link(member, path)
            return
        if member.isreg():
            _write_file(archive, member, self._writer, path, self._ownership)
        elif member.issym():
            if not member.linkname:
                message = f"{member.name}: a link without target"
                raise ValueError(message)
            self._writer.clear(path)
            os.symlink(member.linkname, base, dir_fd=self._root.directory(parent))
        else:
            _write_node(member, self._writer, path)
        directory = self._root.directory(parent)
        if not member.isreg():
            change_owner(base, self._ownership.owner or _owner(member), directory)
        os.utime(base, ns=(modified, modified), dir_fd=directory, follow_symlinks=False)

    def set_times(self) -> None:
        """Set the times of directories, deepest last made first: writing into them changes them."""
        for path, modified in reversed(self._times):
            if self._root.is_directory(path):
                os.utime(self._root.directory(path), ns=(modified, modified))

    def _write_directory(self, member: tarfile.TarInfo, path: str) -> None:
        status = self._root.status(path)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            self._writer.clear(path)
        self._writer.make_directories("/" + path, Ownership())
        set_owner_and_mode(self._root.directory(path), self._ownership, _owner(member), member.mode & 0o7777)

    def _write_hard_link(self, member: tarfile.TarInfo, path: str) -> None:
        """Link to an entry that was unpacked before; what the image held already is a target too."""
        name = _clean(member.linkname, member.name)
        parent = self._root.resolve(posixpath.join("/", self._top, posixpath.dirname(name)))
        target = posixpath.join(parent, posixpath.basename(name))
        status = self._root.status(target) if name else None
        if status is None or stat.S_ISDIR(status.st_mode):
            message = f"{member.name}: a hard link to {member.linkname}, which is not a file of the archive"
            raise ValueError(message)
        if target == path:
            return
        self._writer.clear(path)
        # A descriptor of its own: the tree keeps only the last directory open.
        source = os.dup(self._root.directory(parent))
        try:
            os.link(
                posixpath.basename(target),
                posixpath.basename(path),
                src_dir_fd=source,
                dst_dir_fd=self._root.directory(posixpath.dirname(path)),
                follow_symlinks=False,
            )
        finally:
            os.close(source)


def _write_file(
    archive: tarfile.TarFile, member: tarfile.TarInfo, writer: Writer, path: str, ownership: Ownership
) -> None:
    content = archive.extractfile(member)
    opened = writer.create(path)
    try:
        while content is not None and (chunk := content.read(CHUNK)):
            writer.check()
            write_all(opened, chunk)
        set_owner_and_mode(opened, ownership, _owner(member), member.mode & 0o7777)
        for key, value in member.pax_headers.items():
            name = key.removeprefix(_XATTR)
            if name != key and is_kept_attribute(name):
                os.setxattr(opened, name, value.encode("utf-8", "surrogateescape"))
    finally:
        os.close(opened)


def _write_node(member: tarfile.TarInfo, writer: Writer, path: str) -> None:
    kinds = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO}
    kind = kinds.get(member.type)
    if kind is None:
        message = f"{member.name}: unknown type {member.type!r}"
        raise ValueError(message)
    device = 0 if kind == stat.S_IFIFO else os.makedev(member.devmajor, member.devminor)
    if kind == stat.S_IFCHR and device == 0:
        message = f"{member.name}: device 0:0 would mean a deletion in a layer"
        raise ValueError(message)
    writer.clear(path)
    directory = writer.root.directory(posixpath.dirname(path))
    base = posixpath.basename(path)
    os.mknod(base, kind | 0o600, device, dir_fd=directory)
    os.chmod(base, member.mode & 0o7777, dir_fd=directory)


def _clean(name: str, entry: str) -> str:
    """A path of the archive, relative to the destination; ``..`` anywhere in it is refused."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        message = f"{entry}: the archive leads out of its destination"
        raise ValueError(message)
    if any(len(os.fsencode(part)) > os.pathconf("/", "PC_NAME_MAX") for part in parts):
        raise ValueError(errno.errorcode[errno.ENAMETOOLONG] + f": {entry[:60]}...")
    return "/".join(parts)


def _owner(member: tarfile.TarInfo) -> tuple[int, int]:
    if not (0 <= member.uid <= LARGEST_ID and 0 <= member.gid <= LARGEST_ID):
        message = f"{member.name}: its owner is not a valid id"
        raise ValueError(message)
    return member.uid, member.gid
