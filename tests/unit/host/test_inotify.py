"""inotify on real directories."""

from __future__ import annotations

import select
from pathlib import Path

from composer.host import inotify


def test_a_rename_into_a_directory_is_told_with_its_name(tmp_path: Path) -> None:
    events = inotify.Inotify()
    try:
        watch = events.watch(tmp_path, inotify.MOVED_TO)
        assert events.read() == []
        (tmp_path / "a.tmp").touch()
        (tmp_path / "a.tmp").rename(tmp_path / "a")
        assert select.select([events.descriptor], [], [], 5)[0]
        assert events.read() == [(watch, inotify.MOVED_TO, "a")]
        events.forget(watch)
        events.forget(watch)
    finally:
        events.close()
