"""Hostile layers (L1 to L32 and L41 of the catalogue): refused, or written inside; a canary stays untouched.

L33 to L40 are about archives of images and manifests: ``tests/unit/image/test_loading.py``,
``test_adoption.py`` and ``tests/unit/model/test_manifest.py``.  L42, an image's ``/dev`` or
``/etc/hosts`` as a link, is about mounting: ``tests/hostile/test_mount_targets.py``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from composer import errors
from composer.image import compression, unpack

pytestmark = pytest.mark.root

Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str) -> Entry:
    return entry(name, tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> Entry:
    return entry(name, tarfile.LNKTYPE, linkname=target)


def archive(*entries: Entry) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        status = path.lstat()
        content = (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        )
        found[str(path)] = (status.st_mode, status.st_uid, content)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "passwd").write_text("root")
    target = tmp_path / "root"
    target.mkdir()
    return target


CONTAINED: dict[str, tuple[Callable[[Path], list[Entry]], str]] = {
    "L1 dot dot": (lambda _c: [entry("../../canary/x", content=b"x")], "canary/x"),
    "L2 absolute": (lambda c: [entry(f"{c}/passwd", content=b"x")], ""),
    "L3 climbing": (lambda _c: [entry("a/../../../x", content=b"x")], "x"),
    "L4 a name of dots": (lambda _c: [entry("./././x", content=b"x")], "x"),
    "L5 link to root, file through it": (lambda _c: [link("l", "/"), entry("l/x", content=b"x")], "x"),
    "L6 link up, file through it": (lambda _c: [link("l", "../../../.."), entry("l/x", content=b"x")], "x"),
    "L7 absolute link to the canary": (lambda c: [link("l", str(c)), entry("l/passwd", content=b"x")], ""),
    "L8 chain of links": (lambda c: [link("a", "b"), link("b", "c"), link("c", str(c)), entry("a/passwd", content=b"x")], ""),
    "L9 link replaced between entries": (
        lambda c: [entry("d", tarfile.DIRTYPE), entry("d/x", content=b"1"), link("d", str(c)), entry("d/passwd", content=b"x")], "",
    ),
    "L9 a link maze longer than PATH_MAX": (
        lambda c: [*maze(c), entry("/".join(["m0"] * 60) + "/passwd", content=b"x")], "",
    ),
    "L12 a hard link, then written through": (
        lambda _c: [entry("a", content=b"1"), hard("b", "a"), entry("b", content=b"x")], "b",
    ),
    "L16 a fifo, then a file": (lambda _c: [entry("x", tarfile.FIFOTYPE), entry("x", content=b"x")], "x"),
    "L17 a socket's kind": (lambda _c: [entry("s", b"s"), entry("x", content=b"x")], "x"),
    "L22 whiteout through a link": (
        lambda c: [link("l", str(c)), entry("l/.wh.passwd"), entry("l/.wh..wh..opq"), entry("x", content=b"x")], "x",
    ),
    "L27 file over a full directory": (
        lambda _c: [entry("d/a/b", content=b"1"), entry("d", content=b"x")], "d",
    ),
    "L27 link over a directory that is open": (
        lambda c: [entry("d/a", content=b"1"), link("d", str(c)), entry("d/passwd", content=b"x")], "",
    ),
    "L28 the root's own entry": (
        lambda _c: [entry(".", tarfile.DIRTYPE, mode=0o777, uid=5), entry("x", content=b"x")], "x",
    ),
    "L28 the root as a file": (lambda _c: [entry(".", content=b"x"), entry("x", content=b"x")], ""),
    "L28 the root as a link": (lambda c: [link(".", str(c)), entry("passwd", content=b"x")], ""),
    "L26 duplicate": (lambda _c: [entry("x", content=b"1"), entry("x", content=b"2")], "x"),
    "L27 file then directory": (lambda _c: [entry("x", content=b"1"), entry("x", tarfile.DIRTYPE), entry("x/y", content=b"2")], "x/y"),
    "L28 directory over link": (lambda c: [link("l", str(c)), entry("l", tarfile.DIRTYPE), entry("l/x", content=b"2")], "l/x"),
    "L41 odd names": (lambda _c: [entry("a\nb\x1b[2J", content=b"x")], "a\nb\x1b[2J"),
    "L41 negative time": (lambda _c: [entry("x", content=b"x", mtime=-5)], "x"),
    "L41 setuid": (lambda _c: [entry("x", content=b"x", mode=0o6777)], "x"),
}  # fmt: skip

REFUSED: dict[str, Callable[[Path], list[Entry]]] = {
    "L10 hard link to a file of the host": lambda c: [hard("x", f"{c}/passwd")],
    "L11 hard link through a link": lambda c: [link("l", str(c)), hard("x", "l/passwd")],
    "L12 hard link to a later entry": lambda _c: [hard("x", "later"), entry("later")],
    "L13 hard link to a whiteout": lambda _c: [entry(".wh.x"), hard("y", ".wh.x")],
    "L14 hard link to nothing": lambda _c: [hard("x", "")],
    "L18 forged whiteout": lambda _c: [entry("x", tarfile.CHRTYPE, devmajor=0, devminor=0)],
    "L19 whiteout of nothing": lambda _c: [entry(".wh.")],
    "L20 whiteout of dot dot": lambda _c: [entry(".wh...")],
    "L21 whiteout of a whiteout": lambda _c: [entry("a/.wh..wh.x")],
    "L23 overlay attribute": lambda _c: [
        entry("x", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/canary"})
    ],
    "L24 user overlay attribute": lambda _c: [
        entry("x", pax_headers={"SCHILY.xattr.user.overlay.opaque": "y"})
    ],
    "L25 oversized attribute": lambda _c: [entry("x", pax_headers={"SCHILY.xattr.user.x": "y" * 100_000})],
    "L30 too deep": lambda _c: [entry("/".join("a" * 1 for _ in range(400)))],
    "L31 long name": lambda _c: [entry("a" * 300)],
    "L41 owner": lambda _c: [entry("x", uid=2**32)],
    "L4 NUL in a name": lambda _c: [entry("a", pax_headers={"path": "a\0b"})],
    "L4 no name": lambda _c: [entry("")],
    "L10 hard link through a chain of links": lambda c: [
        link("a", "b"),
        link("b", str(c)),
        hard("x", "a/passwd"),
        entry("x", content=b"y"),
    ],
    "L41 a time that no file can have": lambda _c: [entry("x", pax_headers={"mtime": "1e300"})],
    "L41 a size that is negative": lambda _c: [entry("x", pax_headers={"size": "-5"})],
    "empty link": lambda _c: [link("x", "")],
}


def maze(target: Path) -> list[Entry]:
    """Directories and links, each through the one before, that lead ever longer ways to ``target``."""
    steps = [link(f"m{number}", f"m{number + 1}/" + "d" * 200) for number in range(20)]
    return [entry("m20/" + "d" * 200, tarfile.DIRTYPE), link("m20/up", str(target)), *steps]


@pytest.mark.parametrize("name", sorted(CONTAINED))
def test_contained(name: str, tree: Path) -> None:
    make, written = CONTAINED[name]
    canary = tree.parent / "canary"
    before = snapshot(canary)
    try:
        unpack.unpack(io.BytesIO(archive(*make(canary))), tree)
    except errors.ImageError:
        assert not written
    assert snapshot(canary) == before
    if written:
        assert (tree / written).read_bytes() in (b"x", b"2")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(name: str, tree: Path) -> None:
    canary = tree.parent / "canary"
    before = snapshot(canary)
    with pytest.raises(errors.ImageError):
        unpack.unpack(io.BytesIO(archive(*REFUSED[name](canary))), tree)
    assert snapshot(canary) == before


@pytest.mark.parametrize(
    ("limits", "entries"),
    [
        (unpack.Limits(entries=10), [entry(f"f{n}") for n in range(20)]),
        (unpack.Limits(bytes=1 << 20), [entry("big", content=bytes(2 << 20))]),
        (unpack.Limits(), [entry("x", pax_headers={"comment": "y" * (1 << 21)})]),
        (unpack.Limits(), [entry("x" * (1 << 21))]),
        (unpack.Limits(), [entry("l", tarfile.SYMTYPE, linkname="x" * (1 << 21))]),
    ],
)
def test_bombs_are_bounded(limits: unpack.Limits, entries: list[Entry], tree: Path) -> None:
    packed = gzip.compress(archive(*entries))
    with pytest.raises(errors.HostileLayer):
        unpack.unpack(io.BytesIO(packed), tree, limits=limits)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: gzip.compress(data)[:-20],
        lambda data: gzip.compress(data) + b"garbage that is no gzip member",
        lambda data: gzip.compress(data[: len(data) // 2 + 700]),
        lambda data: data[:700],
        lambda _data: b"\x1f\x8bnot really",
    ],
    ids=["truncated gzip", "trailing garbage", "half a tar", "cut header", "no gzip"],
)
def test_damaged_archives_are_refused(damage: Callable[[bytes], bytes], tree: Path) -> None:
    data = archive(*[entry(f"f{n}", content=os.urandom(2000)) for n in range(20)])
    with pytest.raises(errors.ImageError):
        unpack.unpack(io.BytesIO(damage(data)), tree)


def test_gzip_members_in_a_row_are_one_archive(tree: Path) -> None:
    data = archive(entry("x", content=b"hello"))
    packed = gzip.compress(data[:600]) + gzip.compress(data[600:])
    digest = unpack.unpack(io.BytesIO(packed), tree).diff_id
    assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (tree / "x").read_bytes() == b"hello"


def test_whiteouts_become_overlay_marks(tree: Path) -> None:
    unpack.unpack(io.BytesIO(archive(entry("d/.wh.gone"), entry("o/.wh..wh..opq"))), tree)
    gone = (tree / "d/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert os.getxattr(tree / "o", "trusted.overlay.opaque") == b"y"


def test_whiteout_through_a_link_stays_inside(tree: Path) -> None:
    canary = tree.parent / "canary"
    before = snapshot(canary)
    unpack.unpack(io.BytesIO(archive(link("l", str(canary)), entry("l/.wh.passwd"))), tree)
    assert snapshot(canary) == before


def test_l15_devices_are_metadata(tree: Path) -> None:
    """A device of the host may be in a layer; that nobody opens it is the business of cgroup and mount."""
    unpack.unpack(
        io.BytesIO(archive(entry("sda", tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o600))), tree
    )
    status = (tree / "sda").lstat()
    assert stat.S_ISBLK(status.st_mode)
    assert status.st_rdev == os.makedev(8, 0)
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_l28_the_roots_mode_and_owner_are_the_images(tree: Path) -> None:
    unpack.unpack(io.BytesIO(archive(entry(".", tarfile.DIRTYPE, mode=0o1777, uid=5, gid=6))), tree)
    status = tree.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o1777, 5, 6)


def sparse(size: int, *pieces: tuple[int, bytes]) -> bytes:
    """An old GNU sparse file: its map is in the header, its holes are nowhere."""
    info = tarfile.TarInfo("hole")
    info.type = tarfile.GNUTYPE_SPARSE
    info.size = sum(len(data) for _, data in pieces)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for number, (offset, data) in enumerate(pieces):
        place = 386 + 24 * number
        header[place : place + 24] = b"%011o\0%011o\0" % (offset, len(data))
    header[483:495] = size.to_bytes(12, "big") if size >= 8**11 else b"%011o\0" % size
    if size >= 8**11:
        header[483] |= 0x80
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content = b"".join(data for _, data in pieces)
    return bytes(header) + content + bytes(-len(content) % 512) + bytes(1024)


def test_l29_holes_stay_holes(tree: Path) -> None:
    size = 1 << 30
    unpack.unpack(io.BytesIO(sparse(size, (0, b"a" * 512), (size - 512, b"z" * 512))), tree)
    status = (tree / "hole").stat()
    assert status.st_size == size
    assert status.st_blocks * 512 < 8 << 20
    with (tree / "hole").open("rb") as file:
        assert file.read(1) == b"a"
        file.seek(-1, os.SEEK_END)
        assert file.read(1) == b"z"


def test_l29_a_file_of_holes_without_end_is_refused(tree: Path) -> None:
    with pytest.raises(errors.HostileLayer, match="sparse file"):
        unpack.unpack(io.BytesIO(sparse(1 << 50, (0, b"a" * 512))), tree)


def test_l29_a_bomb_is_refused_before_it_fills_the_disk(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_HONEST", 1 << 20)
    packed = gzip.compress(archive(entry("zeros", content=bytes(64 << 20))))
    with pytest.raises(errors.HostileLayer, match="times its size"):
        unpack.unpack(io.BytesIO(packed), tree)
    assert sum(path.stat().st_size for path in tree.rglob("*")) < 16 << 20


def test_l31_a_path_of_a_hundred_thousand_directories(tree: Path) -> None:
    deep = entry("x", pax_headers={"path": "a/" * 100_000})
    with pytest.raises(errors.ImageError):
        unpack.unpack(io.BytesIO(archive(deep)), tree)
    assert list(tree.iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_l32_headers_of_headers_without_end(kind: bytes, tree: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = kind
    content = b"11 a=bcdef\n" if kind != tarfile.GNUTYPE_LONGNAME else b"name\0"
    info.size = len(content)
    one = info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    with pytest.raises(errors.ImageError):
        unpack.unpack(io.BytesIO(one * 20_000 + bytes(1024)), tree)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_l32_a_header_that_claims_to_be_huge_is_not_read(kind: bytes, tree: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type = kind
    info.size = 8 << 30

    class Endless:
        """A stream that would give all of it."""

        def __init__(self) -> None:
            self.given = 0
            self._head = info.tobuf(tarfile.GNU_FORMAT)

        def read(self, size: int = -1, /) -> bytes:
            data, self._head = self._head, b""
            data = data or bytes(size if size > 0 else 1 << 20)
            self.given += len(data)
            return data

    stream = Endless()
    with pytest.raises(errors.HostileLayer, match="extended header"):
        unpack.unpack(stream, tree)
    assert stream.given < 64 << 20


def test_l36_garbage_between_entries_is_no_end(tree: Path) -> None:
    good = archive(entry("a", content=b"x"))[:1024]
    with pytest.raises(errors.ImageError):
        unpack.unpack(io.BytesIO(good + b"garbage!" * 64 + archive(entry("b"))), tree)


def test_l41_stored_faithfully(tree: Path) -> None:
    odd = entry("x", uid=2**31, gid=2**31 + 1, mode=0o6777, mtime=-3, content=b"x")
    name = entry("\udcff\udcfe", content=b"y")
    unpack.unpack(io.BytesIO(archive(odd, name)), tree)
    status = (tree / "x").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (2**31, 2**31 + 1, 0o6777)
    assert status.st_mtime == -3
    assert (tree / os.fsdecode(b"\xff\xfe")).read_bytes() == b"y"
    with pytest.raises(errors.HostileLayer) as caught:
        unpack.unpack(io.BytesIO(archive(entry("\x1b[2J" + "a" * 300))), tree)
    assert "\x1b" not in caught.value.message


def test_directories_that_are_only_implied_have_no_time_of_today(tree: Path) -> None:
    """One archive gives one tree, also where a directory is made at the end of a link that led nowhere."""
    unpack.unpack(io.BytesIO(archive(link("l", "z/y"), entry("l/a/x"), entry("p/q/x", mtime=7))), tree)
    times = {path: (tree / path).stat().st_mtime for path in (".", "z", "z/y", "z/y/a", "p", "p/q")}
    assert set(times.values()) == {0}
