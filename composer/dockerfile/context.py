"""What a COPY copies: sources found in a tree and listed with everything that counts.

A listing holds the digest of each file, so the same listing gives the cache key and, when the step
must run, the proof that what was written is what the key says: a context that changes during the
build makes the build fail, it never poisons the cache.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator

import attrs

from composer import errors
from composer.dockerfile.ignore import IgnoreRules, Marks
from composer.dockerfile.pattern import Pattern, has_wildcard
from composer.dockerfile.tree import Tree
from composer.model.protocols import Interrupt

CHUNK = 1 << 20
_DEEPEST = 1000
_SECURITY = "security.capability"
_NOTHING = IgnoreRules()


@attrs.frozen(kw_only=True)
class Entry:
    """One file, directory, link or fifo of a selection.

    ``path`` is relative to the selection ("" is the selected thing itself), ``location`` is where it
    stands in the tree.  ``digest`` is that of a file's content, ``target`` a link's.
    """

    path: str
    location: str
    kind: int
    mode: int
    uid: int = 0
    gid: int = 0
    digest: str = ""
    target: str = ""
    device: int = 0
    attributes: tuple[tuple[str, bytes], ...] = ()
    modified: int = 0

    @property
    def identity(self) -> tuple[object, ...]:
        """Everything that makes another layer: all but the time of modification and the location."""
        return (
            self.path, self.kind, self.mode, self.uid, self.gid,
            self.digest, self.target, self.device, self.attributes,
        )  # fmt: skip


@attrs.frozen(kw_only=True)
class Selection:
    """One source that was found: its name as the user wrote it, and what it consists of."""

    name: str
    entries: tuple[Entry, ...]

    @property
    def is_directory(self) -> bool:
        """Whether its contents are copied rather than itself."""
        return stat.S_ISDIR(self.entries[0].kind)


class Selector:
    """Finds sources in one tree.

    ``rules`` hide paths (the build context's .dockerignore).  ``keeps_owner`` is false for the build
    context, whose owners are the accident of a checkout: everything in it belongs to root.
    """

    def __init__(
        self, tree: Tree, interrupt: Interrupt, *, rules: IgnoreRules | None = None, keeps_owner: bool
    ) -> None:
        self.tree = tree
        self._interrupt = interrupt
        self._rules = rules or IgnoreRules()
        self._keeps_owner = keeps_owner

    def select(
        self, source: str, *, excluded: IgnoreRules = _NOTHING, keeps_parents: bool = False
    ) -> tuple[Selection, ...]:
        """Everything a source names; ``..`` stops at the root of the tree.

        A name must exist (``ValueError``); a wildcard that matches nothing is nothing, as in BuildKit.
        ``excluded`` are rules for paths below what is found (for a file, its name).  With
        ``keeps_parents`` there is one selection: the directory that the rest of the name is relative
        to (up to ``/./`` in it, else the root), holding what was found and what leads there.
        """
        if keeps_parents:
            return self._select_with_parents(source, excluded)
        clean = posixpath.normpath("/" + source).lstrip("/")
        if has_wildcard(clean):
            found = (self._selection(path, excluded) for path in self._matches("", clean.split("/")))
            return tuple(one for one in found if one is not None)
        one = self._selection(clean, excluded)
        if one is None:
            reason = ": it is excluded by .dockerignore" if self._rules.rules else ""
            message = f'"/{clean}": not found{reason}'
            raise ValueError(message)
        return (one,)

    def _matches(self, directory: str, parts: list[str]) -> Iterator[str]:
        """The paths below a directory that match a pattern, component by component, sorted."""
        first, *rest = parts
        if not has_wildcard(first):
            path = posixpath.join(directory, first)
            names = [first] if self.tree.status(self.tree.resolve(path)) is not None else []
        else:
            base = self.tree.resolve(directory)
            pattern = Pattern(first)
            found = self.tree.names(base) if self.tree.is_directory(base) else []
            names = [name for name in found if pattern.matches(name)]
        for name in names:
            path = posixpath.join(directory, name)
            if rest:
                if self.tree.is_directory(self.tree.resolve(path, follows_last=not has_wildcard(first))):
                    yield from self._matches(path, rest)
            else:
                yield path

    def _select_with_parents(self, source: str, excluded: IgnoreRules) -> tuple[Selection, ...]:
        head, pivot, tail = source.partition("/./")
        top = posixpath.normpath("/" + head).lstrip("/") if pivot else ""
        wanted = posixpath.normpath("/" + (tail if pivot else source)).lstrip("/")
        top = self.tree.resolve(top)
        found: dict[str, Entry] = {}
        for path in self._paths_beneath(top, "", wanted.split("/")) if wanted else [""]:
            for entry in self._entries(posixpath.join(top, path).rstrip("/"), excluded, within=path):
                found.setdefault(entry.path, entry)
        if not found:
            if has_wildcard(wanted):
                return ()
            message = f'"/{posixpath.join(top, wanted)}": not found'
            raise ValueError(message)
        for path in list(found):
            while path:
                path = posixpath.dirname(path)  # noqa: PLW2901 -- upwards to the top
                if path not in found:
                    parent = self._entry(path, posixpath.join(top, path).rstrip("/"), is_hidden=True)
                    assert parent is not None  # a directory, since something was found in it
                    found[path] = parent
        # Parents first, in the order that a listing has.
        ordered = sorted(found.values(), key=lambda entry: entry.path.split("/") if entry.path else [])
        return (Selection(name="", entries=tuple(ordered)),)

    def _paths_beneath(self, top: str, directory: str, parts: list[str]) -> Iterator[str]:
        """The paths below ``directory`` (both relative to ``top``) that a pattern names; no link leads on.

        ``**`` stands for any number of directories.
        """
        first, *rest = parts
        place = posixpath.join(top, directory).rstrip("/")
        names = self.tree.names(place) if self.tree.is_directory(place) else []
        if first == "**" and rest:
            yield from self._paths_beneath(top, directory, rest)
            for name in names:
                if self.tree.is_directory(posixpath.join(place, name)):
                    yield from self._paths_beneath(top, posixpath.join(directory, name), parts)
            return
        pattern = Pattern("*" if first == "**" else first)
        for name in names:
            if pattern.matches(name):
                path = posixpath.join(directory, name)
                if rest:
                    yield from self._paths_beneath(top, path, rest)
                else:
                    yield path

    def _selection(self, path: str, excluded: IgnoreRules) -> Selection | None:
        """What a path names; ``None`` when an image cannot hold it or a rule hides all of it."""
        location = self.tree.resolve(path)
        if self.tree.status(location) is None:
            message = f'"/{path}": not found'
            raise ValueError(message)
        # A link and what it leads to can be hidden separately.
        if location != path and self._rules.ignores(path):
            return None
        if not self.tree.is_directory(location) and excluded.ignores(posixpath.basename(path)):
            return None
        entries = self._entries(location, excluded)
        return Selection(name=posixpath.basename(path), entries=entries) if entries else None

    def _entries(
        self, location: str, excluded: IgnoreRules = _NOTHING, *, within: str = ""
    ) -> tuple[Entry, ...]:
        """List a resolved path and everything below it, parents first, in a fixed order.

        Paths of entries begin with ``within``.
        """
        rules = self._rules
        has_exceptions = rules.has_exceptions or excluded.has_exceptions
        found: list[tuple[Entry, bool]] = []
        pending: list[tuple[str, str, Marks]] = [(within, location, rules.marks_of(location))]
        while pending:
            if self._interrupt.is_set:
                message = "the build was stopped while it read its sources"
                raise errors.Interrupted(message)
            path, place, marks = pending.pop()
            is_hidden = (rules.is_ignored(marks) and bool(place)) or (bool(path) and excluded.ignores(path))
            if is_hidden and not has_exceptions:
                continue
            entry = self._entry(path, place, is_hidden=is_hidden)
            if entry is None:
                continue
            found.append((entry, is_hidden))
            if stat.S_ISDIR(entry.kind):
                if place.count("/") > _DEEPEST:
                    message = f'"/{place[:60]}...": directories are nested too deeply'
                    raise ValueError(message)
                for name in reversed(self.tree.names(place)):
                    below = posixpath.join(place, name)
                    pending.append((posixpath.join(path, name), below, rules.marks(below, marks)))
        return _without_hidden(found)

    def _entry(self, path: str, place: str, *, is_hidden: bool) -> Entry | None:
        """Describe one thing; ``None`` for what an image does not hold (sockets, whiteouts)."""
        status = self.tree.status(place)
        if status is None:
            message = f'"/{place}": vanished while the build read it'
            raise ValueError(message)
        kind = stat.S_IFMT(status.st_mode)
        if is_hidden and kind != stat.S_IFDIR:
            return None
        digest = target = ""
        attributes: tuple[tuple[str, bytes], ...] = ()
        if kind == stat.S_IFSOCK or (kind == stat.S_IFCHR and status.st_rdev == 0):
            return None
        if kind in {stat.S_IFCHR, stat.S_IFBLK} and not self._keeps_owner:
            message = f'"/{place}": is a device, and a build context may hold none'
            raise ValueError(message)
        if kind == stat.S_IFREG:
            opened = self.tree.open_file(place)
            try:
                status = os.fstat(opened)
                digest = self._digest(opened)
                attributes = _attributes(opened)
            finally:
                os.close(opened)
        elif kind == stat.S_IFDIR:
            attributes = _attributes(self.tree.directory(place))
        elif kind == stat.S_IFLNK:
            target = self.tree.link(place) or ""
        return Entry(
            path=path,
            location=place,
            kind=kind,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid if self._keeps_owner else 0,
            gid=status.st_gid if self._keeps_owner else 0,
            digest=digest,
            target=target,
            device=status.st_rdev if kind in {stat.S_IFCHR, stat.S_IFBLK} else 0,
            attributes=attributes,
            modified=status.st_mtime_ns,
        )

    def _digest(self, opened: int) -> str:
        digest = hashlib.sha256()
        while chunk := os.read(opened, CHUNK):
            if self._interrupt.is_set:
                message = "the build was stopped while it read its sources"
                raise errors.Interrupted(message)
            digest.update(chunk)
        return digest.hexdigest()


def _without_hidden(found: list[tuple[Entry, bool]]) -> tuple[Entry, ...]:
    """Keep what is not hidden, and of hidden directories those that lead to it."""
    if not any(is_hidden for _, is_hidden in found):
        return tuple(entry for entry, _ in found)
    leading = {""} if any(not is_hidden for _, is_hidden in found) else set[str]()
    for entry, is_hidden in found:
        parent = posixpath.dirname(entry.path)
        while not is_hidden and parent not in leading:
            leading.add(parent)
            parent = posixpath.dirname(parent)
    return tuple(entry for entry, is_hidden in found if not is_hidden or entry.path in leading)


def _attributes(opened: int) -> tuple[tuple[str, bytes], ...]:
    """The extended attributes that belong to the content; the kernel's and overlay's own do not."""
    try:
        names = os.listxattr(opened)
    except OSError:
        return ()  # the file system has none
    kept = sorted(name for name in names if is_kept_attribute(name))
    return tuple((name, os.getxattr(opened, name)) for name in kept)


def is_kept_attribute(name: str) -> bool:
    """Whether an extended attribute goes into a layer: file capabilities and the user's own.

    ``trusted.overlay.*`` and ``user.overlay.*`` would forge overlay marks.
    """
    return name == _SECURITY or (name.startswith("user.") and not name.startswith("user.overlay."))
