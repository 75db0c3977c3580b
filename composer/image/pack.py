"""A layer's tree as its canonical tar, whose SHA-256 is the diffID.

Canonical: entries sorted, parents first, numeric owners only, whole seconds, PAX headers only where
needed.  The same tree always gives the same bytes, so layers are kept unpacked only and their
archive is made again when somebody wants it (push, save).  Overlay whiteouts become ``.wh.`` names.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from composer.image import tarpolicy

_CHUNK = 1 << 20
_BLOCK = 512
_KEPT_XATTRS = ("security.capability", "user.")


@attrs.frozen(kw_only=True)
class Packed:
    """What a tree is as an archive: its digest and length, and the bytes of its files."""

    diff_id: str
    size: int
    archive: int


def measure(tree: Path, sink: Callable[[bytes], object] = lambda _data: None) -> Packed:
    """As ``write``, and tell what was written."""
    digest = hashlib.sha256()
    count = 0

    def both(data: bytes) -> None:
        nonlocal count
        digest.update(data)
        count += len(data)
        sink(data)

    size = write(tree, both)
    return Packed(diff_id=f"sha256:{digest.hexdigest()}", size=size, archive=count)


def write(tree: Path, sink: Callable[[bytes], object]) -> int:
    """Write the canonical tar of a tree into ``sink``; returns the sum of the file sizes."""
    seen: dict[tuple[int, int], str] = {}
    total = 0
    for path, name in _entries(tree):
        status = path.lstat()
        info = _info_of(path, name, status, seen)
        sink(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        if info.isreg() and info.size:
            total += info.size
            _copy(path, info.size, sink)
        if stat.S_ISDIR(status.st_mode) and _is_opaque(path):
            marker = _plain(f"{name}/{tarpolicy.OPAQUE}" if name != "." else tarpolicy.OPAQUE)
            sink(marker.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
    sink(bytes(2 * _BLOCK))
    return total


def _entries(tree: Path) -> Iterator[tuple[Path, str]]:
    """Every path with its name in the archive, the root first, parents before children."""
    yield tree, "."
    pending = [(tree, "")]
    while pending:
        directory, prefix = pending.pop()
        below = []
        with os.scandir(directory) as listing:
            for entry in sorted(listing, key=lambda item: os.fsencode(item.name)):
                name = f"{prefix}{entry.name}"
                yield Path(entry.path), name
                if entry.is_dir(follow_symlinks=False):
                    below.append((Path(entry.path), f"{name}/"))
        pending.extend(reversed(below))


def _info_of(
    path: Path, name: str, status: os.stat_result, seen: dict[tuple[int, int], str]
) -> tarfile.TarInfo:
    mode = status.st_mode
    if stat.S_ISCHR(mode) and status.st_rdev == 0:
        parent, _, last = name.rpartition("/")
        hidden = f"{tarpolicy.WHITEOUT}{last}"
        return _plain(f"{parent}/{hidden}" if parent else hidden)
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(mode)
    info.uid, info.gid = status.st_uid, status.st_gid
    info.mtime = int(status.st_mtime)
    if stat.S_ISDIR(mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISFIFO(mode):
        info.type = tarfile.FIFOTYPE
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        info.type = tarfile.CHRTYPE if stat.S_ISCHR(mode) else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    elif stat.S_ISREG(mode):
        key = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and key in seen:
            info.type, info.linkname = tarfile.LNKTYPE, seen[key]
            return info
        seen[key] = name
        info.size = status.st_size
    else:  # a socket: meaningless in an image, kept as an empty file would be wrong
        info.type = tarfile.FIFOTYPE
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        info.pax_headers = _xattrs(path)
    return info


def _plain(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    return info


def _xattrs(path: Path) -> dict[str, str]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {
        f"SCHILY.xattr.{name}": os.getxattr(path, name, follow_symlinks=False).decode(
            "utf-8", "surrogateescape"
        )
        for name in sorted(names)
        if name.startswith(_KEPT_XATTRS)
    }


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False


def _copy(path: Path, size: int, sink: Callable[[bytes], object]) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    left = size
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while left and (data := file.read(min(_CHUNK, left))):
            sink(data)
            left -= len(data)
    sink(bytes(left + (-size % _BLOCK)))
