"""What is read, what is refused, and what is remembered of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from composer import errors
from composer.stackfile import reader
from composer.stackfile.reader import InputFile, Reader


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_content_and_memory_of_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    read = Reader()
    assert read.read(str(path)) == b"abc"
    status = path.stat()
    assert read.inputs[str(path)] == InputFile(str(path), status.st_mtime_ns, 3, status.st_ino)


@pytest.mark.parametrize("name", ["absent", "file/below"])
def test_an_absent_file_is_remembered_as_such(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    read = Reader()
    assert read.read(str(tmp_path / name)) is None
    assert read.exists(str(tmp_path / name)) is False
    assert read.inputs[str(tmp_path / name)].size == -1


def test_only_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    before = descriptors()
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(errors.StackFileError, match="not a regular file"):
            Reader().read(str(path))
    assert descriptors() == before


def test_names_that_no_file_can_have() -> None:
    with pytest.raises(errors.StackFileError, match="NUL"):
        Reader().read("a\0b")
    with pytest.raises(errors.StackFileError, match="cannot be read"):
        Reader().read("/" + "x" * 5000)


def test_sizes_are_bounded_each_and_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 11)
    with pytest.raises(errors.StackFileError, match="larger than"):
        Reader().read(str(path), limit=10)
    with pytest.raises(errors.StackFileError, match="larger than"):
        Reader(b"x" * 11).read("-", limit=10)
    monkeypatch.setattr(reader, "LARGEST_SUM", 30)
    read = Reader()
    assert read.read(str(path)) == read.read(str(path))
    with pytest.raises(errors.StackFileError, match="in all"):
        read.read(str(path))
