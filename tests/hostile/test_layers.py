"""Hostile layers (reliability.md, L1-L42): refused, or written inside; a canary tree stays untouched."""

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
from composer.image import unpack

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
    "L5 link to root, file through it": (lambda _c: [link("l", "/"), entry("l/x", content=b"x")], "x"),
    "L6 link up, file through it": (lambda _c: [link("l", "../../../.."), entry("l/x", content=b"x")], "x"),
    "L7 absolute link to the canary": (lambda c: [link("l", str(c)), entry("l/passwd", content=b"x")], ""),
    "L8 chain of links": (lambda c: [link("a", "b"), link("b", "c"), link("c", str(c)), entry("a/passwd", content=b"x")], ""),
    "L9 link replaced between entries": (
        lambda c: [entry("d", tarfile.DIRTYPE), entry("d/x", content=b"1"), link("d", str(c)), entry("d/passwd", content=b"x")], "",
    ),
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
    "empty link": lambda _c: [link("x", "")],
}


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
        (unpack.Limits(headers=1000), [entry("x", pax_headers={"comment": "y" * 5000})]),
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
