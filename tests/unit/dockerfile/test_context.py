from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from composer import errors
from composer.dockerfile import ignore
from composer.dockerfile.context import Selection, Selector
from composer.dockerfile.tree import Tree
from tests.fakes.builds import Signal

Select = Callable[..., tuple[Selection, ...]]


@pytest.fixture
def select(tmp_path: Path) -> Select:
    (tmp_path / "src/deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "src/one.py", "src/two.pyc", "src/deep/three.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("src/one.py")
    (tmp_path / "src/inner").symlink_to("../a.txt")

    def find(source: str, rules: str = "", *, keeps_owner: bool = False) -> tuple[Selection, ...]:
        with Tree(tmp_path) as tree:
            selector = Selector(tree, Signal(), rules=ignore.parse(rules), keeps_owner=keeps_owner)
            return selector.select(source)

    return find


def paths(selections: tuple[Selection, ...]) -> list[str]:
    return [entry.path for one in selections for entry in one.entries]


def test_a_file(select: Select, tmp_path: Path) -> None:
    (tmp_path / "a.txt").chmod(0o640)
    ((entry,),) = [one.entries for one in select("/a.txt")]
    assert (entry.mode, entry.uid, entry.gid) == (0o640, 0, 0)
    assert entry.digest == hashlib.sha256(b"a.txt").hexdigest()


def test_a_directory_lists_parents_first_in_order(select: Select) -> None:
    (found,) = select("src")
    assert found.is_directory
    assert paths((found,)) == ["", "deep", "deep/three.py", "inner", "one.py", "two.pyc"]
    assert found.entries[3].target == "../a.txt"


def test_a_named_link_is_followed_and_keeps_its_name(select: Select) -> None:
    (found,) = select("link")
    assert found.name == "link"
    assert found.entries[0].location == "src/one.py"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("s*/*.py", ["one.py"]),
        ("src/*/*.py", ["three.py"]),
        ("[b-z].txt", ["b.txt"]),
        ("nothing*", []),
        ("../*.txt", ["a.txt", "b.txt"]),
    ],
)
def test_wildcards(select: Select, source: str, names: list[str]) -> None:
    assert [one.name for one in select(source)] == names


def test_ignored_files_do_not_exist(select: Select) -> None:
    assert paths(select("src", "**/*.pyc\nsrc/deep")) == ["", "inner", "one.py"]
    assert [one.name for one in select("*", "*.txt\nlink")] == ["src"]
    with pytest.raises(ValueError, match="excluded by .dockerignore"):
        select("a.txt", "*.txt")
    with pytest.raises(ValueError, match="excluded by .dockerignore"):
        select("link", "src")


def test_exceptions_keep_the_directories_that_lead_to_them(select: Select) -> None:
    rules = "*\n!src/deep/three.py"
    assert paths(select(".", rules)) == ["", "src", "src/deep", "src/deep/three.py"]
    assert paths(select("src", rules)) == ["", "deep", "deep/three.py"]
    assert [one.name for one in select("*", rules)] == ["src"]


@pytest.mark.parametrize("source", ["missing", "src/missing", "../../missing", "a.txt/x"])
def test_missing(select: Select, source: str) -> None:
    with pytest.raises(ValueError, match="not found"):
        select(source)


def test_sockets_are_left_out_and_fifos_listed(select: Select, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "src/deep/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "src/deep/sock"))
        assert paths(select("src/deep")) == ["", "pipe", "three.py"]


def test_attributes_are_listed_but_not_overlays_own(select: Select, tmp_path: Path) -> None:
    try:
        os.setxattr(tmp_path / "a.txt", "user.kept", b"1")
        os.setxattr(tmp_path / "a.txt", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    assert select("a.txt")[0].entries[0].attributes == (("user.kept", b"1"),)


def test_it_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with Tree(tmp_path) as tree, pytest.raises(errors.Interrupted):
        Selector(tree, Signal(after=1), keeps_owner=False).select(".")
