from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.dockerfile.tree import Tree


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Tree]:
    (tmp_path / "outside").write_text("secret")
    base = tmp_path / "root"
    (base / "d/e").mkdir(parents=True)
    (base / "d/f").write_text("content")
    links = {
        "up": "../outside", "abs": "/d", "d/back": "../d/e", "loop": "loop", "dangling": "/new/dir",
        "chain": "abs/e", "etc": "../../../../etc",
    }  # fmt: skip
    for name, target in links.items():
        (base / name).symlink_to(target)
    with Tree(base) as tree:
        yield tree


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("", ""),
        ("/", ""),
        ("d//e/./", "d/e"),
        ("../../d", "d"),
        ("up", "outside"),
        ("abs/f", "d/f"),
        ("d/back", "d/e"),
        ("chain", "d/e"),
        ("dangling/x", "new/dir/x"),
        ("missing/../d", "d"),
        ("etc/passwd", "etc/passwd"),
    ],
)
def test_links_stay_inside(root: Tree, path: str, resolved: str) -> None:
    if path == "etc/passwd":  # the link leads to the root's own /etc, which is the link again
        with pytest.raises(OSError, match="symbolic links"):
            root.resolve(path)
    else:
        assert root.resolve(path) == resolved


def test_the_last_link_is_kept_when_asked(root: Tree) -> None:
    assert root.resolve("abs", follows_last=False) == "abs"
    assert root.resolve("abs/", follows_last=False) == "abs"
    assert root.resolve("abs/back", follows_last=False) == "d/back"


def test_a_loop_ends(root: Tree) -> None:
    with pytest.raises(OSError, match="symbolic links"):
        root.resolve("loop")


def test_opening_follows_no_link(root: Tree) -> None:
    for path in ("up", "abs/f", "d/back"):
        with pytest.raises(OSError, match=r"symbolic links|Too many"):
            os.close(root.open(path, os.O_RDONLY))


def test_reading(root: Tree) -> None:
    assert root.read("abs/f", limit=4) == b"cont"
    assert root.read("up", limit=9) is None
    assert root.read("d", limit=9) is None
    assert root.names("d") == ["back", "e", "f"]
    assert root.is_directory("d")
    assert not root.is_directory("abs")
    assert root.status("d/f/x") is None


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with Tree(tmp_path) as tree, pytest.raises(OSError, match="not a regular file"):
        tree.open_file("pipe")
