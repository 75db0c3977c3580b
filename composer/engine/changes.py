"""What a container changed of its image's tree: ``diff``, and what ``commit`` makes a layer of.  Pure.

The writable layer is an overlay's upper directory: what is in it was added or changed, a character
device 0:0 hides what the image has there, an opaque directory everything that the image has in it
(kernel, ``overlayfs.rst``).  Docker's rules for words: a directory that only holds a change is changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Protocol

import attrs

from composer.host import descriptor
from composer.host.filetree import KEPT_XATTRS, Entry

OPAQUE = "trusted.overlay.opaque"
READ_XATTRS = (*KEPT_XATTRS, OPAQUE)

_STUB_FILES = frozenset({"etc/hosts", "etc/hostname", "etc/resolv.conf", "sbin/docker-init"})
_STUB_DIRECTORIES = frozenset({"dev", "proc", "sys"})
"""Made by composer to mount over; the container sees what is mounted, so they are no change of its own."""


@attrs.frozen(order=True)
class Change:
    """One line of ``diff``: ``A``dded, ``C``hanged or ``D``eleted."""

    path: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} /{self.path}"


class Image(Protocol):
    """The tree that the container began with."""

    def kind_and_owner(self, path: str) -> tuple[int, int, int] | None:
        """Mode with type bits, uid and gid of a path itself; ``None`` when it is not there."""

    def names(self, path: str) -> list[str]:
        """The names in a directory."""


@attrs.frozen(kw_only=True)
class Changes:
    """The changes by path, and the entries of the writable layer that carry them."""

    changes: tuple[Change, ...]
    entries: tuple[Entry, ...] = attrs.field(repr=False)


def changes_of(entries: Iterable[Entry], image: Image) -> Changes:
    """Compare the writable layer (a walk of it, with ``READ_XATTRS``) with the image."""
    found: dict[str, str] = {}
    there: dict[str, tuple[int, int, int] | None] = {}
    kept: list[Entry] = []
    for entry in entries:
        if not entry.path:
            continue
        before = there[entry.path] = image.kind_and_owner(entry.path)
        if _is_stub(entry, before):
            continue
        kept.append(entry)
        kind = _kind(entry, before)
        if kind:
            found[entry.path] = kind
        if OPAQUE in entry.xattrs and before is not None:
            found[entry.path] = "C"
            hidden = [f"{entry.path}/{name}" for name in image.names(entry.path)]
            found |= dict.fromkeys(hidden, "D")
    for entry in kept:  # what an opaque directory hides and has again was replaced
        if found.get(entry.path) == "D" and not _is_whiteout(entry):
            found[entry.path] = "C"
    for path in list(found):
        while path := path.rpartition("/")[0]:
            if path in found:
                break
            found[path] = "C" if there.get(path) is not None else "A"
    return Changes(
        changes=tuple(sorted(Change(path, kind) for path, kind in found.items())),
        entries=tuple(entry for entry in kept if entry.path in found),
    )


def _kind(entry: Entry, before: tuple[int, int, int] | None) -> str:
    """``A``, ``C``, ``D``, or "" for a directory that is as it was but for what is in it."""
    if _is_whiteout(entry):
        return "D"
    if before is None:
        return "A"
    is_directory = entry.is_kind(stat.S_IFDIR)
    return "" if is_directory and before == (entry.mode, entry.uid, entry.gid) else "C"


def _is_whiteout(entry: Entry) -> bool:
    return entry.is_kind(stat.S_IFCHR) and entry.device == 0


def _is_stub(entry: Entry, before: tuple[int, int, int] | None) -> bool:
    if entry.path in _STUB_FILES:
        return entry.is_kind(stat.S_IFREG) and entry.size == 0
    return before is None and entry.path in _STUB_DIRECTORIES and entry.is_kind(stat.S_IFDIR)


class ImageTree:
    """``Image`` of a mounted tree, open at ``root``; nobody changes it."""

    def __init__(self, root: int) -> None:
        self._root = root

    def kind_and_owner(self, path: str) -> tuple[int, int, int] | None:
        """Looked up beneath the root; a parent that is a link leads nowhere."""
        flags = descriptor.RESOLVE_BENEATH | descriptor.RESOLVE_NO_SYMLINKS
        try:
            opened = descriptor.openat2(self._root, path, os.O_PATH | os.O_NOFOLLOW, resolve=flags)
        except OSError:
            return None
        try:
            status = os.fstat(opened)
        finally:
            os.close(opened)
        return status.st_mode, status.st_uid, status.st_gid

    def names(self, path: str) -> list[str]:
        """Sorted; none when it is no directory."""
        try:
            opened = descriptor.open_beneath(self._root, path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return []
        try:
            return sorted(os.listdir(opened))
        finally:
            os.close(opened)
