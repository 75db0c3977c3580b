from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from composer.dockerfile import copy
from composer.dockerfile.context import Selector
from composer.dockerfile.copy import Ownership, Writer
from composer.dockerfile.filemode import FileMode
from composer.dockerfile.tree import Tree
from tests.fakes.builds import Signal

Place = Callable[..., None]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("source", "root"):
        (tmp_path / name).mkdir()

    def run(source: str, destination: str, *, ownership: Ownership | None = None) -> None:
        with Tree(tmp_path / "source") as tree, Tree(tmp_path / "root") as root:
            selections = Selector(tree, Signal(), keeps_owner=True).select(source)
            path, is_directory = copy.destination_of(destination, "/")
            is_directory = is_directory or root.is_directory(root.resolve(path))
            for one in copy.placements(selections, path, is_directory=is_directory):
                Writer(root, Signal()).place(one, tree, ownership or Ownership())

    return run


@pytest.mark.parametrize(
    ("text", "working_dir", "result"),
    [
        ("/a", "/w", ("/a", False)),
        ("a", "/w", ("/w/a", False)),
        ("a/", "/w", ("/w/a", True)),
        (".", "/w", ("/w", True)),
        ("./", "/w", ("/w", True)),
        ("../x", "/w", ("/x", False)),
        ("../../..", "/w", ("/", True)),
        ("/", "/w", ("/", True)),
    ],
)
def test_destinations(text: str, working_dir: str, result: tuple[str, bool]) -> None:
    assert copy.destination_of(text, working_dir) == result


def test_several_files_need_a_directory(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    with Tree(tmp_path) as tree:
        found = Selector(tree, Signal(), keeps_owner=True).select("?")
    assert [(p.directory, p.name) for p in copy.placements(found, "/d", is_directory=True)] == [
        ("/d", "a"),
        ("/d", "b"),
    ]
    with pytest.raises(ValueError, match="must be a directory"):
        copy.placements(found, "/d", is_directory=False)


@pytest.mark.parametrize(
    ("destination", "result"),
    [("/new", "new"), ("/new/", "new/f"), ("/x/y/z", "x/y/z"), ("/have", "have/f"), ("/", "f")],
)
def test_where_a_file_lands(place: Place, tmp_path: Path, destination: str, result: str) -> None:
    (tmp_path / "source/f").write_text("content")
    (tmp_path / "root/have").mkdir()
    place("f", destination)
    assert (tmp_path / "root" / result).read_text() == "content"


def test_content_of_a_directory_with_modes_links_and_times(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "source/d"
    (source / "sub").mkdir(parents=True)
    (source / "sub/run").write_text("x")
    (source / "sub/run").chmod(0o4751)
    (source / "sub").chmod(0o700)
    (source / "link").symlink_to("/anywhere")
    os.mkfifo(source / "pipe")
    for path in (source / "sub/run", source / "sub", source):
        os.utime(path, (1000, 1000))
    place("d", "/to")
    to = tmp_path / "root/to"
    assert (to / "sub/run").stat().st_mode & 0o7777 == 0o4751
    assert (to / "sub").stat().st_mode & 0o7777 == 0o700
    assert (to / "link").readlink() == Path("/anywhere")
    assert (to / "pipe").is_fifo()
    assert [path.stat().st_mtime for path in (to, to / "sub", to / "sub/run")] == [1000, 1000, 1000]


def test_an_existing_destination_keeps_its_mode(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source/d/sub").mkdir(parents=True)
    (tmp_path / "source/d").chmod(0o777)
    (tmp_path / "root/to/sub").mkdir(parents=True)
    (tmp_path / "root/to").chmod(0o750)
    (tmp_path / "source/d/sub").chmod(0o711)
    place("d", "/to")
    assert (tmp_path / "root/to").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "root/to/sub").stat().st_mode & 0o777 == 0o711


def test_missing_parents_are_0755_whatever_the_umask(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source/f").write_text("")
    before = os.umask(0o077)
    try:
        place("f", "/a/b/f", ownership=Ownership(mode=FileMode("600")))
    finally:
        os.umask(before)
    assert (tmp_path / "root/a/b").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "root/a/b/f").stat().st_mode & 0o777 == 0o600


def test_links_in_the_root_lead_inside_it(place: Place, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "source/f").write_text("new")
    (tmp_path / "root/etc").mkdir()
    (tmp_path / "root/abs").symlink_to("/etc")
    (tmp_path / "root/up").symlink_to("../outside")
    place("f", "/abs/")
    place("f", "/up/")
    assert (tmp_path / "root/etc/f").read_text() == "new"
    assert (tmp_path / "root/outside/f").read_text() == "new"
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source/f").write_text("new")
    (tmp_path / "root/other").write_text("old")
    (tmp_path / "root/f").symlink_to("other")
    place("f", "/")
    assert (tmp_path / "root/other").read_text() == "old"
    assert not (tmp_path / "root/f").is_symlink()


@pytest.mark.parametrize(
    ("source", "root", "part"),
    [
        (("d/x/",), ("to/x",), "non-directory"),
        (("d/x",), ("to/x/y",), "cannot copy to directory"),
        (("d/.wh.x",), (), "cannot be stored in a layer"),
        (("d/.wh.x/",), (), "cannot be stored in a layer"),
    ],
)
def test_refused(place: Place, tmp_path: Path, source: tuple[str], root: tuple[str], part: str) -> None:
    for base, names in (("source", source), ("root", root)):
        for name in names:
            path = tmp_path / base / name
            if name.endswith("/"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
    with pytest.raises((OSError, ValueError), match=part):
        place("d", "/to")


def test_a_file_that_changed_after_it_was_listed_is_refused(tmp_path: Path) -> None:
    for name in ("source", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "source/f").write_text("before")
    with Tree(tmp_path / "source") as tree, Tree(tmp_path / "root") as root:
        found = Selector(tree, Signal(), keeps_owner=False).select("f")
        (tmp_path / "source/f").write_text("after!")
        (one,) = copy.placements(found, "/f", is_directory=False)
        with pytest.raises(ValueError, match="changed while the build copied it"):
            Writer(root, Signal()).place(one, tree, Ownership())
