"""Kinds of values: how each is settled into its final type and how ``config`` writes it.

A shape does two things with a node of the canonical tree.  ``settle`` gives it its final type, in
place (``"1g"`` becomes a ``ByteSize``, a list of ``KEY=VALUE`` a mapping), and collects problems.
``emit`` turns a settled node into plain data for ``config``, in Docker Compose's key order and with
its rules about what is left out.  ``attributes`` puts the shapes together for the whole
specification.
"""

from __future__ import annotations

import math
import shlex
import struct
from collections.abc import Callable, Mapping
from typing import Any

from composer import errors
from composer.model.quantity import ByteSize, Duration
from composer.stackfile import merge
from composer.stackfile.casts import to_boolean, to_float, to_integer
from composer.stackfile.scalars import scalar_text, shown
from composer.stackfile.tree import Node, Path, Place, problem

Problems = list[errors.Problem]

JSON, YAML = "json", "yaml"


class Shape:
    """Any value, kept as it is.  ``kept`` values are written even when they are empty."""

    kept = False

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Give the node its final type, in place."""

    def emit(self, node: Node, style: str) -> Any:
        """The settled node as plain data."""
        value = node.value
        if isinstance(value, dict):
            return {key: self.emit(child, style) for key, child in value.items()}
        if isinstance(value, list):
            return [self.emit(child, style) for child in value]
        return whole(value) if isinstance(value, float) else value

    def absent(self, style: str) -> Any:
        """What is written for a missing value; ``None`` for nothing."""
        del style

    def is_empty(self, data: object) -> bool:
        """Whether written data says nothing."""
        return not data


def whole(value: float) -> float | int:
    """``1`` rather than ``1.0``: JSON has only one kind of number."""
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


class Scalar(Shape):
    """A scalar that a function makes of what was written; the function raises ``ValueError``."""

    def __init__(
        self,
        make: Callable[[Any], Any],
        *,
        hint: str = "",
        kept: bool = False,
        write: Callable[[Any], Any] | None = None,
    ) -> None:
        self._make = make
        self._hint = hint
        self._write = write
        self.kept = kept

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Convert the scalar; null stays null."""
        if node.value is None:
            return
        if isinstance(node.value, dict | list):
            problems.append(problem(node, path, "expected a single value"))
            return
        try:
            node.value = self._make(node.value)
        except ValueError as error:
            problems.append(problem(node, path, str(error), hint=self._hint))
            node.value = None

    def emit(self, node: Node, style: str) -> Any:
        """The scalar, in Compose's notation."""
        del style
        value = node.value
        if self._write is not None and value is not None:
            return self._write(value)
        return whole(value) if isinstance(value, float) else value

    def is_empty(self, data: object) -> bool:
        """Whether it is null or, unless it is kept, zero or the empty string."""
        return data is None if self.kept else not data


def _text(value: Any) -> str:
    return value if isinstance(value, str) else scalar_text(value)


def _boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else to_boolean(scalar_text(value))


def _integer(value: Any) -> int:
    """A whole number; of a fraction the whole part, as Docker Compose takes it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return to_integer(scalar_text(value))
    if not math.isfinite(value) or not -(2**63) <= value < 2**64:
        message = f"{shown(value)} is no usable number"
        raise ValueError(message)
    return int(value)


def _count(value: Any) -> int:
    number = _integer(value)
    if number < 0:
        message = f"{number} cannot be negative"
        raise ValueError(message)
    return number


def _whole_number(value: Any) -> int:
    if isinstance(value, float):
        message = f"expected a whole number, found {shown(value)}"
        raise ValueError(message)  # noqa: TRY004 -- the value is a user's, not a caller's
    return _integer(value)


def _permissions(value: Any) -> int:
    if isinstance(value, str):
        message = f"expected a number, found {shown(value)}"
        raise ValueError(message)  # noqa: TRY004 -- the value is a user's, not a caller's
    return _count(value)


def _weight(value: Any) -> int:
    """16 bits without a sign, of which Docker Compose keeps the lower ones; it takes no text."""
    if isinstance(value, str) or _integer(value) < 0:
        message = f"{shown(value)} is no weight"
        raise ValueError(message)
    return _integer(value) % 2**16


def _text_or_number(value: Any) -> str:
    if isinstance(value, bool | float):
        message = f"expected text, found {scalar_text(value)}"
        raise ValueError(message)  # noqa: TRY004 -- the value is a user's, not a caller's
    return _text(value)


def _number(value: Any) -> float:
    number = to_float(value) if isinstance(value, str) else float(value)
    try:
        return single_precision(number)
    except (OverflowError, ValueError):
        message = f"{shown(value)} is no usable number"
        raise ValueError(message) from None


def single_precision(number: float) -> float:
    """The shortest decimal that is the same 32-bit float: what Docker Compose keeps of a fraction.

    Raises ``OverflowError`` when there is none, ``ValueError`` for NaN and infinities.
    """
    if not math.isfinite(number):
        message = "not a finite number"
        raise ValueError(message)
    packed = struct.pack("f", number)
    for digits in range(1, 9):
        rounded = float(f"{number:.{digits}g}")
        if struct.pack("f", rounded) == packed:
            return rounded
    return float(f"{number:.9g}")


def _size(value: Any) -> ByteSize:
    if isinstance(value, float):
        return ByteSize(_integer(value))
    return ByteSize.parse(scalar_text(value))


def _duration(value: Any) -> Duration:
    return Duration.parse(scalar_text(value))


def _mode(value: Any) -> int:
    """Text is octal; an unquoted ``0440`` was read as the octal number it is."""
    if isinstance(value, str):
        if not value or value.strip("01234567") or len(value) > 20:
            message = f"{shown(value)} is no octal number"
            raise ValueError(message)
        return int(value, 8)
    return _whole_number(value)


def _octal(value: int) -> str:
    return f"0{value:o}"


ANY = Shape()
TEXT = Scalar(_text)
KEPT_TEXT = Scalar(_text, kept=True)
BOOLEAN = Scalar(_boolean)
KEPT_BOOLEAN = Scalar(_boolean, kept=True)
INTEGER = Scalar(_integer)
KEPT_INTEGER = Scalar(_integer, kept=True)
COUNT = Scalar(_count)
KEPT_COUNT = Scalar(_count, kept=True)
WEIGHT = Scalar(_weight, hint="Write a number from 10 to 1000, without quotes.")
WHOLE_NUMBER = Scalar(_whole_number)
PERMISSIONS = Scalar(_permissions, hint="Write it like 0o1777, without quotes.")
OPTION = Scalar(_text_or_number, hint="Put it in quotes.")
NUMBER = Scalar(_number)
SIZE = Scalar(_size, hint="Write it like 64m or 1g.", write=lambda size: str(size) if size else "")
DURATION = Scalar(_duration, hint="Write it like 1m30s, 10s or 500ms.", write=lambda d: str(d) if d else "")
KEPT_DURATION = Scalar(_duration, hint="Write it like 1m30s, 10s or 500ms.", kept=True, write=str)
MODE = Scalar(_mode, hint='Write it as "0440".', kept=True, write=_octal)


class List(Shape):
    """A list of one kind of item; a scalar stands for a list of one."""

    def __init__(self, item: Shape = TEXT) -> None:
        self.item = item

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Settle every item."""
        if isinstance(node.value, dict):
            problems.append(problem(node, path, "expected a list, found a mapping"))
        elif node.value is not None and not isinstance(node.value, list):
            node.value = [Node(node.value, node.place, written=node.written)]
        for index, item in enumerate(node.items()):
            self.item.settle(item, (*path, index), problems)

    def emit(self, node: Node, style: str) -> Any:
        """The items."""
        return [self.item.emit(item, style) for item in node.items()]


class Words(List):
    """A command: a list, or text that is split like a shell does it.  Unset, empty and null differ."""

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Split the text."""
        if isinstance(node.value, str):
            try:
                words = shlex.split(node.value)
            except ValueError as error:
                problems.append(problem(node, path, f"cannot split the command into words: {error}"))
                words = []
            node.value = [Node(word, node.place, written=node.written) for word in words]
        super().settle(node, path, problems)

    def emit(self, node: Node, style: str) -> Any:
        """The words, or null."""
        return None if node.value is None else super().emit(node, style)

    def absent(self, style: str) -> Any:
        """JSON says null in so many words."""
        return NULL if style == JSON else None

    def is_empty(self, data: object) -> bool:
        """An empty list is a statement: nothing of the image's."""
        del data
        return False


class Test(List):
    """The test of a health check: text is for the shell."""

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Wrap the text."""
        if isinstance(node.value, str):
            node.value = [Node("CMD-SHELL", node.place), Node(node.value, node.place, written=node.written)]
        super().settle(node, path, problems)


class Map(Shape):
    """A mapping of free keys to one kind of value, written in the order of its keys."""

    def __init__(self, item: Shape = TEXT, *, nullable: bool = False) -> None:
        self.item = item
        self._nullable = nullable

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Settle every value."""
        for key, child in node.entries():
            self.item.settle(child, (*path, key), problems)

    def emit(self, node: Node, style: str) -> Any:
        """The entries, sorted."""
        return {key: self._emitted(child, style) for key, child in sorted(node.entries(), key=_by_key)}

    def _emitted(self, child: Node, style: str) -> Any:
        return None if self._nullable and child.value is None else self.item.emit(child, style)


def _by_key(entry: tuple[str, Node]) -> str:
    return entry[0]


class KeyValues(Map):
    """Text by key, from a mapping or a list of ``KEY=VALUE``; what has no value is "" or, kept, null."""

    def __init__(self, *, null: bool = False) -> None:
        super().__init__(TEXT, nullable=null)

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Turn a list into a mapping."""
        if isinstance(node.value, list):
            node.value = key_values(node)
        if not self._nullable:
            for _, child in node.entries():
                if child.value is None:
                    child.value = ""
        super().settle(node, path, problems)


def key_values(node: Node) -> dict[str, Node]:
    """The entries of a list of ``KEY=VALUE``; null for a key alone.  The last of a key wins."""
    found: dict[str, Node] = {}
    for item in node.items():
        key, equals, value = scalar_text(item.value).partition("=")
        found[key] = Node(value if equals else None, item.place, "", item.written, item.former)
    return found


class Lists(Map):
    """Lists of text by key; a scalar stands for a list of one."""

    def __init__(self) -> None:
        super().__init__(List(TEXT))


class Hosts(Shape):
    """``extra_hosts``: names to addresses, several for one name."""

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Turn entries of a list (``NAME=ADDRESS`` or ``NAME:ADDRESS``) into a mapping."""
        found: dict[str, Node] = {}
        if isinstance(node.value, dict):
            merge.as_sequence(node)
        for index, item in enumerate(node.items()):
            text = scalar_text(item.value)
            name, _, address = text.partition("=") if "=" in text else text.partition(":")
            if not name or not address:
                message = f"{shown(text)} is no host with its address"
                problems.append(problem(item, (*path, index), message, hint="Write it as NAME=ADDRESS."))
                continue
            if address.startswith("[") and address.endswith("]"):
                address = address[1:-1]
            entry = Node(address, item.place, written=item.written)
            there = found.setdefault(name, Node([], item.place))
            assert isinstance(there.value, list)
            there.value.append(entry)
        node.value = found

    def emit(self, node: Node, style: str) -> Any:
        """``NAME=ADDRESS``, by name."""
        del style
        return sorted(
            f"{name}={address.value}" for name, child in node.entries() for address in child.items()
        )


class Ssh(Shape):
    """``build.ssh``: ids of agents or keys; only the default agent needs no path."""

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Check that every key has its path."""
        for key, child in node.entries():
            if key != "default" and child.value is None:
                message = f"the ssh key {key!r} has no path"
                problems.append(problem(child, (*path, key), message, hint="Write ID=PATH, or default."))
            elif child.value is not None:
                child.value = scalar_text(child.value)

    def emit(self, node: Node, style: str) -> Any:
        """``ID`` or ``ID=PATH``."""
        del style
        return [
            key if child.value in (None, "") else f"{key}={child.value}"
            for key, child in sorted(node.entries(), key=_by_key)
        ]


class Null:
    """Says that null is to be written, where ``None`` says that nothing is."""


NULL = Null()


class Struct(Shape):
    """A mapping of known keys, written in the order given here.

    ``kept``: an empty one is a statement (``healthcheck: {}``).  ``always``: JSON shows it even when
    the author did not write it, as Docker Compose does with ``deploy.resources``.
    """

    def __init__(self, fields: Mapping[str, Shape], *, kept: bool = True, always: bool = False) -> None:
        self.fields = dict(fields)
        self.kept = kept
        self._always = always

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Settle every known value."""
        if not isinstance(node.value, dict):
            return
        for key, child in node.value.items():
            shape = self.fields.get(key)
            if shape is not None:
                shape.settle(child, (*path, key), problems)

    def emit(self, node: Node, style: str) -> Any:
        """The fields that say something, in order; extensions last, in YAML only."""
        if node.value is None:
            return None
        found: dict[str, Any] = {}
        for key, shape in self.fields.items():
            child = node.child(key)
            if child is None:
                data = shape.absent(style)
                if data is not None:
                    found[key] = None if data is NULL else data
                continue
            data = shape.emit(child, style)
            if data is None and shape.absent(style) is NULL:
                found[key] = None
            elif not shape.is_empty(data):
                found[key] = data
        if style == YAML:
            found.update((key, ANY.emit(child, style)) for key, child in node.entries() if is_extension(key))
        return found

    def absent(self, style: str) -> Any:
        """An empty mapping where Docker Compose always has one."""
        return self.emit(Node({}, _NOWHERE), style) if self._always and style == JSON else None

    def is_empty(self, data: object) -> bool:
        """Whether it can be left out."""
        return data is None or (not data and not self.kept and not self._always)


class Capitalised(Struct):
    """Docker Compose has no JSON names for these fields and writes Go's: ``Path``, ``Rate``.

    It writes all of them; ``blanks`` are what stands for those the author left out.
    """

    def __init__(self, fields: Mapping[str, Shape], blanks: Mapping[str, object]) -> None:
        super().__init__(fields)
        self._blanks = blanks

    def emit(self, node: Node, style: str) -> Any:
        """Every field."""
        found = super().emit(node, style) or {}
        return {
            key.capitalize() if style == JSON else key: found.get(key) or blank
            for key, blank in self._blanks.items()
        }


def is_extension(key: str) -> bool:
    """Whether a key is an extension's (``x-...``)."""
    return key.startswith("x-")


_NOWHERE = Place("", 0, 0)
