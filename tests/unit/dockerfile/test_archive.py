from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from composer.dockerfile import archive
from composer.dockerfile.copy import Ownership, Writer
from composer.dockerfile.tree import Tree
from tests.fakes.builds import Signal

Unpack = Callable[[bytes], Path]


def tar(*entries: dict[str, object], mode: str = "w") -> bytes:
    """A tar archive; each entry is the fields of its header, with ``content`` for a file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as out:  # type: ignore[call-overload]
        for fields in entries:
            content = str(fields.get("content", "")).encode()
            header = tarfile.TarInfo(str(fields["name"]))
            header.size = len(content)
            header.mode = 0o644
            for name, value in fields.items():
                if name not in {"name", "content"}:
                    setattr(header, name, value)
            out.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def unpack(tmp_path: Path) -> Unpack:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/passwd").write_text("inside")

    def run(content: bytes) -> Path:
        (tmp_path / "archive").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        with (tmp_path / "archive").open("rb") as file, Tree(tmp_path / "root") as root:
            archive.unpack(file, Writer(root, Signal()), "/dest", Ownership(), digest=digest)
        return tmp_path / "root"

    return run


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (tar({"name": "a", "content": "1"}), True),
        (tar({"name": "a", "content": "1"}, mode="w:gz"), True),
        (tar({"name": "a", "content": "1"}, mode="w:bz2"), True),
        (tar({"name": "a", "content": "1"}, mode="w:xz"), True),
        (zstandard.compress(tar({"name": "a", "content": "1"})), True),
        (zstandard.compress(b"no archive"), False),
        (b"\x28\xb5\x2f\xfd no zstd", False),
        (gzip.compress(b"not a tar" * 100), False),
        (b"", False),
        (b"\x1f\x8b", False),
        (b"BZhnothing", False),
        (b"text" * 500, False),
        (tar(), False),
    ],
)
def test_recognised_by_content(tmp_path: Path, content: bytes, *, result: bool) -> None:
    (tmp_path / "x").write_bytes(content)
    with (tmp_path / "x").open("rb") as file:
        assert archive.is_archive(file) is result
        assert file.tell() == 0


def test_unpacked_with_modes_links_and_times(unpack: Unpack) -> None:
    root = unpack(
        tar(
            {"name": "./", "type": tarfile.DIRTYPE, "mode": 0o777},
            {"name": "d", "type": tarfile.DIRTYPE, "mode": 0o700, "mtime": 77},
            {"name": "d/f", "content": "file", "mode": 0o4755, "mtime": 99},
            {"name": "deep/er/g", "content": "g"},
            {"name": "s", "type": tarfile.SYMTYPE, "linkname": "d/f"},
            {"name": "h", "type": tarfile.LNKTYPE, "linkname": "d/f"},
            {"name": "p", "type": tarfile.FIFOTYPE},
            mode="w:gz",
        )
    )
    dest = root / "dest"
    assert (dest / "d/f").stat().st_mode & 0o7777 == 0o4755
    assert (dest / "d/f").stat().st_mtime == 99
    assert (dest / "d").stat().st_mode & 0o7777 == 0o700
    assert (dest / "d").stat().st_mtime == 77
    assert (dest / "deep").stat().st_mode & 0o7777 == 0o755
    assert dest.stat().st_mode & 0o7777 == 0o755
    assert (dest / "s").readlink() == Path("d/f")
    assert (dest / "h").stat().st_ino == (dest / "d/f").stat().st_ino
    assert (dest / "p").is_fifo()


def test_the_last_entry_of_a_name_wins(unpack: Unpack) -> None:
    root = unpack(
        tar(
            {"name": "f", "content": "1"},
            {"name": "f", "content": "2"},
            {"name": "l", "type": tarfile.SYMTYPE, "linkname": "/etc"},
            {"name": "l", "type": tarfile.DIRTYPE, "mode": 0o755},
            {"name": "l/x", "content": "x"},
        )
    )
    assert (root / "dest/f").read_text() == "2"
    assert (root / "dest/l/x").read_text() == "x"
    assert not (root / "etc/x").exists()


def test_a_changed_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(tar({"name": "f"}))
    with (tmp_path / "a").open("rb") as file, Tree(tmp_path) as root:
        with pytest.raises(ValueError, match="changed"):
            archive.unpack(file, Writer(root, Signal()), "/", Ownership(), digest="0")


def test_the_limits(unpack: Unpack, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tar({"name": "zero", "content": "\0" * (1 << 20)}, mode="w:gz")
    monkeypatch.setattr(archive, "SMALLEST_BOMB", 1 << 16)
    monkeypatch.setattr(archive, "LARGEST_RATIO", 100)
    with pytest.raises(ValueError, match="more than 100 times its size"):
        unpack(bomb)
    monkeypatch.setattr(archive, "MOST_ENTRIES", 2)
    with pytest.raises(ValueError, match="too large"):
        unpack(tar(*({"name": str(n)} for n in range(3))))


def test_a_truncated_archive_is_damaged(unpack: Unpack) -> None:
    whole = tar({"name": "f", "content": "x" * 5000}, mode="w:gz")
    with pytest.raises(ValueError, match="damaged"):
        unpack(whole[:-40])
