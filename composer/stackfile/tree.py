"""The located tree that every pass works on: plain values that know where they were written."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from composer import errors


@attrs.frozen
class Place:
    """Where something was written; lines and columns count from 1."""

    file: str
    line: int
    column: int


@attrs.define(eq=False)
class Node:
    """A value and its place.  ``value`` is a dict of nodes, a list of nodes, or a scalar.

    ``override`` is the tag ``reset`` or ``override`` when the author wrote one.
    """

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    place: Place
    override: str = ""

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
        message, file=place.file, line=place.line, column=place.column, path=dotted(path), hint=hint
    )


def plain(node: Node) -> object:
    """The value without places; entries that ``!reset`` takes away are left out."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items() if value.override != "reset"}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value if item.override != "reset"]
    return node.value


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


def matches(pattern: str, path: Path) -> bool:
    """Whether a dotted pattern (``services.*.ports``) names this path; ``*`` is any one part."""
    parts = pattern.split(".")
    return len(parts) == len(path) and all(
        part in ("*", name) for part, name in zip(parts, path, strict=True)
    )
