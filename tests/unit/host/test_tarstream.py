"""Entries to tar and back."""

import io
import os
import stat
import tarfile
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.host import tarstream
from composer.host.filetree import Entry


def _file(path: str, data: bytes, **fields: object) -> Entry:
    @contextmanager
    def content():
        yield io.BytesIO(data)

    return Entry(path=path, mode=stat.S_IFREG | 0o644, size=len(data), content=content, **fields)


def _tar(*entries: Entry) -> bytes:
    out = io.BytesIO()
    tarstream.write(entries, out.write)
    return out.getvalue()


def _read(data: bytes) -> list[tuple[Entry, bytes]]:
    found = []
    for entry in tarstream.read(io.BytesIO(data)):
        content = b""
        if entry.content is not None:
            with entry.content() as source:
                content = source.read()
        found.append((entry, content))
    return found


ENTRIES = [
    Entry(path="d", mode=stat.S_IFDIR | 0o1777, uid=5, gid=6, mtime=7.0),
    _file("d/f", b"x" * 1000, xattrs={"user.a": b"\xff\x00"}),
    _file("d/" + "n" * 200, b""),
    Entry(path="d/l", mode=stat.S_IFLNK | 0o777, link="../\udcff"),
    Entry(path="d/h", mode=stat.S_IFREG | 0o644, hardlink="d/f"),
    Entry(path="d/p", mode=stat.S_IFIFO | 0o600),
    Entry(path="d/c", mode=stat.S_IFCHR | 0o600, device=os.makedev(1, 3)),
]


def test_round_trip() -> None:
    found = _read(_tar(*ENTRIES))
    assert [entry for entry, _ in found] == [
        Entry(
            path=one.path, mode=one.mode, uid=one.uid, gid=one.gid, mtime=one.mtime, size=one.size, link=one.link,
            hardlink=one.hardlink, device=one.device, xattrs=one.xattrs, content=entry.content,
        )
        for one, (entry, _) in zip(ENTRIES, found, strict=True)
    ]  # fmt: skip
    assert found[1][1] == b"x" * 1000


def test_standard_tools_read_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(_tar(*ENTRIES))) as archive:
        assert archive.getnames() == [entry.path for entry in ENTRIES]


def test_content_that_nobody_reads_is_passed_over() -> None:
    names = [entry.path for entry in tarstream.read(io.BytesIO(_tar(*ENTRIES)))]
    assert names == [entry.path for entry in ENTRIES]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/./b//c", "a/b/c"), ("/etc/passwd", "etc/passwd"), ("./", ""), (".", ""), ("a/", "a")],
)
def test_clean(name: str, expected: str) -> None:
    assert tarstream.clean(name) == expected


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "a/..", "x\0y", "a/" * 3000])
def test_names_that_lead_out(name: str) -> None:
    with pytest.raises(errors.OperationFailed, match="leads out"):
        tarstream.clean(name)


@pytest.mark.parametrize("data", [b"nonsense" * 100, b"\x1f\x8bgarbage", _tar(*ENTRIES)[:1300]])
def test_damaged_archives(data: bytes) -> None:
    with pytest.raises(errors.OperationFailed, match="damaged"):
        _read(data)


def test_a_long_extension_record_is_refused() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2 << 20
    with pytest.raises(errors.OperationFailed, match="too large"):
        _read(info.tobuf(tarfile.USTAR_FORMAT) + bytes(3 << 20))


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        _read(data)
    except errors.OperationFailed:
        pass
