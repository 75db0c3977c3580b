"""Any sequence of tar entries: refused or written inside; a canary beside the tree stays untouched.

``COMPOSER_FUZZ=100000`` makes it that many sequences (``make fuzz``).
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer import errors
from composer.image import pack, unpack

pytestmark = pytest.mark.root

RUNS = int(os.environ.get("COMPOSER_FUZZ", "400"))

PARTS = st.sampled_from(["a", "b", "c", "..", ".", "", ".wh.a", ".wh..wh..opq", ".wh.", "canary", "secret"])
PATHS = st.builds("/".join, st.lists(PARTS, min_size=1, max_size=4))
TARGETS = st.one_of(PATHS, st.sampled_from(["/", "/etc", "../../canary", "../canary/secret", "a", "b/c"]))
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 3
    + [
        tarfile.DIRTYPE,
        tarfile.SYMTYPE,
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CHRTYPE,
        b"Z",
    ]
)
ENTRIES = st.tuples(KINDS, PATHS, TARGETS, st.integers(0, 0o7777), st.booleans())


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="composer-fuzz-", dir="/dev/shm"))
    (directory / "canary").mkdir()
    (directory / "canary/secret").write_text("untouched")
    yield directory
    shutil.rmtree(directory)


def archive(entries: list[tuple[bytes, str, str, int, bool]], canary: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for kind, name, target, mode, is_absolute in entries:
            info = tarfile.TarInfo(f"{canary}/{name}" if is_absolute and kind == tarfile.REGTYPE else name)
            info.type, info.mode = kind, mode
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = f"{canary}/{target}" if is_absolute else target
            if kind == tarfile.CHRTYPE:
                info.devmajor, info.devminor = 1, 3
            content = b"written" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def picture(root: Path) -> list[tuple[str, int, int, int, bytes]]:
    found = []
    for path in sorted([root, *root.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found.append((str(path), status.st_mode, status.st_nlink, status.st_mtime_ns, content))
    return found


@settings(
    max_examples=RUNS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(entries=st.lists(ENTRIES, max_size=8))
def test_nothing_leaves_the_tree(entries: list[tuple[bytes, str, str, int, bool]], place: Path) -> None:
    canary, root = place / "canary", place / "root"
    before = picture(canary)
    root.mkdir()
    try:
        data = archive(entries, str(canary))
        try:
            first = unpack.unpack(io.BytesIO(data), root)
        except errors.ImageError:
            first = None
        assert picture(canary) == before
        assert sorted(os.listdir(place)) == ["canary", "root"]
        if first is not None:  # one archive gives one tree, also the second time
            again = place / "again"
            again.mkdir()
            try:
                assert unpack.unpack(io.BytesIO(data), again) == first
                assert pack.measure(again) == pack.measure(root)
            finally:
                shutil.rmtree(again)
    finally:
        shutil.rmtree(root)
