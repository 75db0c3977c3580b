"""Trees are read and written beneath a descriptor, whatever is put in the way meanwhile."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.host.filetree import Entry, Manner, Placer, walk

OWN = Manner(owner=(os.getuid(), os.getgid()))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / "file").write_bytes(b"content")
    (root / "sub" / "exec").write_bytes(b"#!")
    (root / "sub" / "exec").chmod(0o755)
    (root / "link").symlink_to("/etc/passwd")
    (root / "dangling").symlink_to("nowhere")
    os.link(root / "file", root / "zz-same")
    os.mkfifo(root / "fifo")
    os.utime(root / "sub", (1000, 1000))
    os.utime(root / "file", (2000.5, 2000.5))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    return root


def _open(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY)


def _walked(path: Path, name: str = "") -> dict[str, Entry]:
    opened = _open(path)
    try:
        return {entry.path: entry for entry in walk(opened, name=name)}
    finally:
        os.close(opened)


def _copy(source: Path, target: Path, name: str = "", manner: Manner = OWN) -> Placer:
    opened, root = _open(source), _open(target)
    try:
        placer = Placer(root, "", manner)
        for entry in walk(opened, name=name):
            placer.place(entry)
        placer.close()
        return placer
    finally:
        os.close(opened)
        os.close(root)


def test_a_walk_names_everything_but_sockets(tree: Path) -> None:
    found = _walked(tree, "t")
    assert list(found) == [
        "t", "t/dangling", "t/fifo", "t/file", "t/link", "t/sub", "t/sub/deep", "t/sub/exec", "t/zz-same",
    ]  # fmt: skip
    assert found["t/link"].link == "/etc/passwd"
    assert found["t/zz-same"].hardlink == "t/file"
    assert found["t/fifo"].is_kind(stat.S_IFIFO)
    assert stat.S_IMODE(found["t/sub/exec"].mode) == 0o755
    content = found["t/file"].content
    assert content is not None


def test_a_copy_is_alike(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    placer = _copy(tree, target)
    copied = _walked(target)
    for path, entry in _walked(tree).items():
        if path:
            other = copied[path]
            assert (entry.mode, entry.size, entry.link, entry.hardlink, entry.mtime) == (
                other.mode, other.size, other.link, other.hardlink, other.mtime,
            ), path  # fmt: skip
    assert (target / "file").read_bytes() == b"content"
    assert placer.size == len(b"content") + len(b"#!")
    assert not list(target.rglob(".composer-copy-*"))


def test_a_file_takes_the_place_of_a_file_or_link(tree: Path, tmp_path: Path) -> None:
    target, outside = tmp_path / "copy", tmp_path / "outside"
    target.mkdir()
    outside.write_text("untouched")
    (target / "file").symlink_to(outside)
    (target / "link").write_text("old")
    _copy(tree, target)
    assert outside.read_text() == "untouched"
    assert (target / "file").read_bytes() == b"content"
    assert os.readlink(target / "link") == "/etc/passwd"


@pytest.mark.parametrize(("there", "message"), [("file", "a file cannot take the place of a directory"), ("sub", "a directory cannot take the place")])  # fmt: skip
def test_kinds_are_not_exchanged(tree: Path, tmp_path: Path, there: str, message: str) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    if there == "file":
        (target / "file").mkdir()
    else:
        (target / "sub").write_text("a file")
    with pytest.raises(errors.OperationFailed, match=message):
        _copy(tree, target)


def test_a_link_that_was_there_is_followed_inside_or_not_at_all(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    (target / "real").mkdir(parents=True)
    (target / "sub").symlink_to("/real")  # absolute: the root's own
    _copy(tree, target, manner=Manner(owner=OWN.owner, follows_links=True))
    assert (target / "real" / "exec").exists()
    assert (target / "sub").is_symlink()
    strict = tmp_path / "strict"
    strict.mkdir()
    (strict / "sub").symlink_to(tmp_path)
    with pytest.raises(errors.OperationFailed, match="cannot take the place"):
        _copy(tree, strict)
    assert not (tmp_path / "exec").exists()


def test_set_id_bits_and_devices_can_be_left_out(tree: Path, tmp_path: Path) -> None:
    (tree / "suid").write_bytes(b"")
    (tree / "suid").chmod(0o4755)
    target = tmp_path / "copy"
    target.mkdir()
    _copy(tree, target, manner=Manner(owner=OWN.owner, keeps_setid=False))
    assert stat.S_IMODE((target / "suid").stat().st_mode) == 0o755


def test_a_device_is_left_out(tmp_path: Path) -> None:
    root = _open(tmp_path)
    try:
        placer = Placer(root, "", OWN)
        placer.place(Entry(path="null", mode=stat.S_IFCHR | 0o666, device=os.makedev(1, 3)))
        assert placer.left_out == ["null"]
        assert list(tmp_path.iterdir()) == []
    finally:
        os.close(root)


def test_what_is_replaced_while_it_is_read_is_an_error(tree: Path) -> None:
    opened = _open(tree)
    try:
        (entry,) = [one for one in walk(opened) if one.path == "file"]
        (tree / "file").unlink()
        (tree / "file").symlink_to("/etc/passwd")
        assert entry.content is not None
        with pytest.raises(OSError), entry.content():
            pass
    finally:
        os.close(opened)


def test_a_file_that_shrinks_is_filled_up(tree: Path) -> None:
    opened = _open(tree)
    try:
        (entry,) = [one for one in walk(opened) if one.path == "file"]
        (tree / "file").write_bytes(b"c")
        assert entry.content is not None
        with entry.content() as source:
            data = b"".join(iter(lambda: source.read(3), b""))
        assert data == b"c" + bytes(6)
    finally:
        os.close(opened)


def test_what_vanishes_is_left_out(tree: Path) -> None:
    opened = _open(tree)
    try:
        found = []
        for entry in walk(opened):
            found.append(entry.path)
            if entry.path == "sub":
                (tree / "sub" / "exec").unlink()
        assert "sub/exec" not in found
    finally:
        os.close(opened)


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_the_callers_umask_has_no_say(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    _copy(tree, target)
    assert stat.S_IMODE((target / "sub" / "exec").stat().st_mode) == 0o755
