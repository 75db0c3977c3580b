"""The located tree that every pass works on: plain values that know where they were written.

A node also remembers what it replaced and how it was spelt before its variables were filled in, so
that ``config --explain`` can tell the whole story of a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import attrs

from composer import errors

T = TypeVar("T")


@attrs.frozen
class Place:
    """Where something was written; lines and columns count from 1.

    ``via`` is the chain of files that led here (outermost first): what included or extended what.
    """

    file: str
    line: int
    column: int
    via: tuple[str, ...] = ()


class Timestamp(str):
    """An unquoted scalar that YAML reads as a date.  No attribute of a stack file is one."""

    __slots__ = ()


Scalar = str | int | float | bool | None


@attrs.define(eq=False)
class Node:
    """A value and its place.  ``value`` is a dict of nodes, a list of nodes, or a scalar.

    ``override`` is the tag ``reset`` or ``override`` when the author wrote one; ``written`` the text
    before interpolation, when that changed it; ``former`` what an override replaced here; ``implied``
    says why the value is there when nobody wrote it.  ``key`` is where its key in a mapping stands.
    """

    value: dict[str, Node] | list[Node] | Scalar
    place: Place
    override: str = ""
    written: str | None = None
    former: Node | None = None
    implied: str = ""
    key: Place | None = None

    def child(self, key: str) -> Node | None:
        """The entry of a mapping, ``None`` when missing or not a mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping; nothing for anything else."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def items(self) -> Iterator[Node]:
        """The items of a list; nothing for anything else."""
        if isinstance(self.value, list):
            yield from self.value


Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """``services.web.ports[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def problem(node: Node | Place, path: Path, message: str, *, hint: str = "") -> errors.Problem:
    """A problem at a node's place."""
    place = node.place if isinstance(node, Node) else node
    return errors.Problem(
        message,
        file=place.file,
        line=place.line,
        column=place.column,
        path=dotted(path),
        hint=hint,
        via=place.via,
    )


def problem_of_key(node: Node, path: Path, message: str, *, hint: str = "") -> errors.Problem:
    """A problem with the key of a mapping's entry, not with its value."""
    return problem(node.key or node.place, path, message, hint=hint)


def plain(node: Node) -> object:
    """The value without places; entries that ``!reset`` takes away are left out."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items() if value.override != "reset"}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value if item.override != "reset"]
    return node.value


def copied(node: Node) -> Node:
    """A deep copy, so that passes may change one use of a value and leave the other alone."""
    value = node.value
    if isinstance(value, dict):
        value = {key: copied(child) for key, child in value.items()}
    elif isinstance(value, list):
        value = [copied(child) for child in value]
    return Node(value, node.place, node.override, node.written, node.former, node.implied, node.key)


def at(node: Node, path: Path) -> Node:
    """The node at a path, or the deepest one on the way to it."""
    for part in path:
        following: Node | None = None
        if isinstance(node.value, dict) and isinstance(part, str):
            following = node.value.get(part)
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            following = node.value[part]
        if following is None:
            return node
        node = following
    return node


def section(root: Node, name: str) -> dict[str, Node]:
    """The entries of a top-level section; empty when it is missing."""
    node = root.child(name)
    return node.value if node is not None and isinstance(node.value, dict) else {}


class _Step(Generic[T]):
    """One level of the patterns of a table: what applies here, and where it goes on."""

    __slots__ = ("here", "named", "rest")

    def __init__(self) -> None:
        self.here: list[T] = []
        self.named: dict[str, _Step[T]] = {}
        self.rest: _Step[T] | None = None


class Table(Generic[T]):
    """Rows of a path pattern and what to do there.  ``*`` stands for any key or index.

    Passes are such tables; they are walked together with the tree, so that a pass costs one visit
    of the nodes that its patterns can reach and nothing for the rest.
    """

    def __init__(self, rows: Iterable[tuple[str, T]]) -> None:
        self.rows = tuple(rows)
        self._root: _Step[T] = _Step()
        for pattern, row in self.rows:
            step = self._root
            for part in pattern.split("."):
                if part == "*":
                    step.rest = step = step.rest or _Step()
                else:
                    step = step.named.setdefault(part, _Step())
            step.here.append(row)

    def select(self, root: Node) -> Iterator[tuple[Node, Path, T]]:
        """Every node that a pattern names, parents first: a row may reshape what is below its node."""
        yield from self._walk(root, (), self._root)

    def _walk(self, node: Node, path: Path, step: _Step[T]) -> Iterator[tuple[Node, Path, T]]:
        for row in step.here:
            yield node, path, row
        value = node.value
        if isinstance(value, dict):
            if step.rest is None:
                for key, following in step.named.items():
                    if key in value:
                        yield from self._walk(value[key], (*path, key), following)
                return
            for key, child in list(value.items()):
                named = step.named.get(key)
                if named is not None:
                    yield from self._walk(child, (*path, key), named)
                yield from self._walk(child, (*path, key), step.rest)
        elif isinstance(value, list) and step.rest is not None:
            for index, child in enumerate(list(value)):
                yield from self._walk(child, (*path, index), step.rest)

    def find(self, path: Path) -> T | None:
        """The first row for a path."""
        steps = [self._root]
        for part in path:
            following = []
            for step in steps:
                named = step.named.get(part) if isinstance(part, str) else None
                following += [one for one in (named, step.rest) if one is not None]
            if not following:
                return None
            steps = following
        return next((row for step in steps for row in step.here), None)
