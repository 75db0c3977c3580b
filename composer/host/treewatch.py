"""Changes in whole trees of directories, from inotify(7): paths that were written, moved or deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from composer.host import inotify

_MASK = (
    inotify.WRITTEN
    | inotify.CREATED
    | inotify.MOVED_TO
    | inotify.MOVED_FROM
    | inotify.DELETED
    | inotify.CHANGED_MODE
)


class TreeWatch:
    """Watches trees; directories that appear later are watched as well.

    ``skips`` says of a directory that nothing below it matters.  ``descriptor`` is readable when something
    happened.
    """

    def __init__(self, roots: Iterable[str], skips: Callable[[str], bool]) -> None:
        self._queue = inotify.Inotify()
        self._skips = skips
        self._directories: dict[int, str] = {}
        self._roots = tuple(roots)
        for root in self._roots:
            self._add(root if os.path.isdir(root) else os.path.dirname(root), is_root=True)

    @property
    def descriptor(self) -> int:
        """Readable when something happened."""
        descriptor: int = self._queue.descriptor
        return descriptor

    def changed(self) -> set[str]:
        """The paths of what happened since the last call, gone ones too.

        Where the kernel lost count, every file there is may have changed.
        """
        found: set[str] = set()
        for watch, mask, name in self._queue.read():
            if mask & inotify.QUEUE_OVERFLOW:
                for root in self._roots:
                    found.update(files_below(root, self._skips))
                continue
            directory = self._directories.get(watch)
            if directory is None:
                continue
            path = f"{directory}/{name}" if name else directory
            if mask & inotify.IS_DIRECTORY and mask & (inotify.CREATED | inotify.MOVED_TO):
                found.update(self._add(path))
            elif not (mask & inotify.IS_DIRECTORY and os.path.isdir(path)) and not mask & inotify.IGNORED:
                found.add(path)
        return found

    def close(self) -> None:
        """Watch no more."""
        self._queue.close()

    def _add(self, directory: str, *, is_root: bool = False) -> list[str]:
        """Watch a directory and those below; returns the files there are, which came before the watch."""
        if not is_root and self._skips(directory):
            return []
        try:
            self._directories[self._queue.watch(Path(directory), _MASK)] = directory
            entries = list(os.scandir(directory))
        except OSError:
            return []  # gone again
        files = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                files += self._add(entry.path)
            else:
                files.append(entry.path)
        return files


def files_below(root: str, skips: Callable[[str], bool]) -> list[str]:
    """Every file of a tree, or the one file that the root is."""
    if not os.path.isdir(root):
        return [root] if os.path.lexists(root) else []
    found = []
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if not skips(f"{directory}/{name}")]
        found += [f"{directory}/{name}" for name in names]
    return found
