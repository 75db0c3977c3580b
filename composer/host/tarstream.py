"""Entries of file trees to and from tar streams (POSIX.1-2001 pax, ``tar(5)``).

``tarfile`` reads and writes headers only; nothing of its extraction is used.  Headers come from
whoever made the archive: names are cleaned, ``..`` is refused, extension records are bounded.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from composer import errors
from composer.host.filetree import CHUNK, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK = 512
_XATTR = "SCHILY.xattr."
_LARGEST_HEADER = 1 << 20
_LONGEST_PATH = 4096

_TYPES = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.CONTTYPE: stat.S_IFREG,
    tarfile.GNUTYPE_SPARSE: stat.S_IFREG,
    tarfile.LNKTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
}
_LETTERS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


class _BoundedHeader(tarfile.TarInfo):
    """Extension records are read into memory whole: refuse long ones.

    ``_proc_member`` is the entry point that tarfile's own comments name for sub-classes.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in _TYPES and self.size > _LARGEST_HEADER:
            raise tarfile.ReadError("a header is too large")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


def write(entries: Iterable[Entry], sink: Callable[[bytes], object]) -> int:
    """Write a tar of the entries; returns the bytes of files in it."""
    total = 0
    for entry in entries:
        info = _info_of(entry)
        sink(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        if info.isreg() and info.size and entry.content is not None:
            with entry.content() as source:
                while data := source.read(CHUNK):
                    sink(data)
            sink(bytes(-info.size % _BLOCK))
            total += info.size
    sink(bytes(2 * _BLOCK))
    return total


def _info_of(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path or ".")
    info.type = tarfile.LNKTYPE if entry.hardlink else _LETTERS[stat.S_IFMT(entry.mode)]
    info.linkname = entry.hardlink or entry.link
    info.mode = stat.S_IMODE(entry.mode)
    info.uid, info.gid, info.mtime = entry.uid, entry.gid, int(entry.mtime)
    info.size = entry.size if info.type == tarfile.REGTYPE else 0
    if info.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        info.devmajor, info.devminor = os.major(entry.device), os.minor(entry.device)
    info.pax_headers = {
        f"{_XATTR}{name}": value.decode("utf-8", "surrogateescape") for name, value in entry.xattrs.items()
    }
    return info


def read(stream: BinaryIO) -> Iterator[Entry]:
    """The entries of a plain tar stream; content must be read before the next entry is asked for.

    Raises ``OperationFailed`` for what is no tar, or one that reaches beyond its own root.
    """
    try:
        with tarfile.open(
            fileobj=stream, mode="r|", tarinfo=_BoundedHeader, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            for member in archive:
                cast("Any", archive).members = []  # a stream needs no index; it would grow for ever
                entry = _entry_of(archive, member)
                if entry is not None:
                    yield entry
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        message = f"the archive is damaged: {error}"
        raise errors.OperationFailed(message) from error


def _entry_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry | None:
    kind = _TYPES.get(member.type)
    if kind is None:
        return None  # a volume label and the like: nothing of a tree
    is_link = member.type == tarfile.LNKTYPE
    return Entry(
        path=clean(member.name),
        mode=kind | (member.mode & 0o7777),
        uid=member.uid,
        gid=member.gid,
        mtime=max(0.0, float(member.mtime)),
        size=member.size if kind == stat.S_IFREG and not is_link else 0,
        link=member.linkname if kind == stat.S_IFLNK else "",
        hardlink=clean(member.linkname) if is_link else "",
        device=os.makedev(member.devmajor, member.devminor) if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0,
        xattrs={
            key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith((f"{_XATTR}user.", f"{_XATTR}security.capability"))
        },
        content=(lambda: _content(archive, member)) if kind == stat.S_IFREG and not is_link else None,
    )


@contextlib.contextmanager
def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[BinaryIO]:
    file = archive.extractfile(member)
    assert file is not None
    with file:
        yield cast("BinaryIO", file)


def clean(name: str) -> str:
    """A relative path without ``.`` and empty parts; raises ``OperationFailed`` for ``..``."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name or len(name) > _LONGEST_PATH:
        shown = name.encode("unicode_escape", "surrogateescape").decode("ascii")[:200]
        message = f"the archive has an entry that leads out of it: {shown}"
        raise errors.OperationFailed(message)
    return "/".join(parts)
