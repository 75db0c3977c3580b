"""Files and directories that are whole or not there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from composer.host import durable


@pytest.fixture
def _umask() -> Iterator[None]:
    """As the supervisor's."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_a_directory_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    durable.make_directory(tmp_path / "a" / "b", 0o755)
    assert [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("a", "a/b")] == [0o755, 0o755]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_directory_that_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    durable.make_directory(tmp_path / "a", 0o755)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_a_file_in_the_way_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError, match="Not a directory"):
        durable.make_directory(tmp_path / "a", 0o755)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_threads_that_write_one_file_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Two pulls of one process end with the same manifest: this failed for three of four threads."""
    content = os.urandom(4096)
    with ThreadPoolExecutor(4) as threads:
        for number in range(40):
            path = tmp_path / str(number)
            written = [threads.submit(durable.write, path, content) for _ in range(4)]
            assert [one.result() for one in written] == [None] * 4
            assert path.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 40
