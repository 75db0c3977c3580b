"""Changes in trees: written, moved, deleted, in directories that came later."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.host.treewatch import TreeWatch, files_below


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[TreeWatch]:
    (tmp_path / "old").mkdir()
    (tmp_path / "skipped").mkdir()
    made = TreeWatch([str(tmp_path)], lambda path: path.endswith("skipped"))
    yield made
    made.close()


def changed(watch: TreeWatch, directory: Path) -> set[str]:
    """Everything until it is quiet, by names below the directory."""
    found: set[str] = set()
    while select.select([watch.descriptor], [], [], 0.1)[0]:
        found |= watch.changed()
    return {path.removeprefix(f"{directory}/") for path in found}


def test_what_happens_to_files(watch: TreeWatch, tmp_path: Path) -> None:
    (tmp_path / "old" / "a").write_text("1")
    assert changed(watch, tmp_path) == {"old/a"}
    (tmp_path / "old" / "a").rename(tmp_path / "b")
    assert changed(watch, tmp_path) == {"old/a", "b"}
    (tmp_path / "b").chmod(0o700)
    assert changed(watch, tmp_path) == {"b"}
    (tmp_path / "b").unlink()
    assert changed(watch, tmp_path) == {"b"}


def test_directories_that_come_later(watch: TreeWatch, tmp_path: Path) -> None:
    (tmp_path / "new" / "er").mkdir(parents=True)
    (tmp_path / "new" / "er" / "x").write_text("1")
    assert "new/er/x" in changed(watch, tmp_path)
    (tmp_path / "new" / "er" / "y").write_text("1")
    assert changed(watch, tmp_path) == {"new/er/y"}


def test_a_directory_that_goes(watch: TreeWatch, tmp_path: Path) -> None:
    (tmp_path / "old").rmdir()
    assert "old" in changed(watch, tmp_path)


def test_what_is_skipped(watch: TreeWatch, tmp_path: Path) -> None:
    (tmp_path / "skipped" / "x").write_text("1")
    assert changed(watch, tmp_path) == set()
    (tmp_path / "old" / "a").write_text("1")
    assert files_below(str(tmp_path), lambda path: path.endswith("skipped")) == [str(tmp_path / "old" / "a")]


def test_one_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    watch = TreeWatch([str(file)], lambda _: False)
    file.write_text("2")
    assert changed(watch, tmp_path) == {"file"}
    watch.close()
