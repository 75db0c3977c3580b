"""YAML text to a located tree, with the scalars of YAML 1.2's core schema as Compose reads them.

Built from the parser's events rather than by a constructor: so every value keeps its place, and
anchors, depth and size are bounded while they are expanded (an alias bomb of 500 bytes stands for
gigabytes; compose-go caps the same way).  Duplicate keys and unknown tags are refused.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from composer import errors
from composer.stackfile.tree import Node, Place, Timestamp

if TYPE_CHECKING:
    import yaml

MOST_NODES = 100_000
DEEPEST = 128

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE, _FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?(0b[01][01_]*|0o?[0-7][0-7_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|[1-9][0-9_]*|0)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?[ \t]*(Z|[-+]\d\d?(?::?\d\d)?)?)?",
    re.ASCII,
)
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_LONGEST_INT = 70

_STANDARD = "tag:yaml.org,2002:"
_TAGS = {"!reset": "reset", "!override": "override"}


def read_documents(text: bytes, file: str, via: tuple[str, ...] = ()) -> list[Node]:
    """Every document of a stream; raises ``StackFileError`` with the place of what is wrong.

    ``via`` is the chain of files that led to this one.
    """
    import yaml

    decoded = _decode(text, file)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = _Events(yaml.parse(decoded, Loader=loader), file, via)
        return events.documents()
    except yaml.YAMLError as error:
        raise errors.StackFileError([_syntax_problem(error, file)]) from error
    except RecursionError as error:
        raise errors.StackFileError([errors.Problem("the file is nested too deeply", file=file)]) from error


def _decode(text: bytes, file: str) -> str:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise errors.StackFileError(
            [errors.Problem("the file is UTF-16", file=file, line=1, column=1, hint="Save it as UTF-8.")]
        )
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        raise errors.StackFileError(
            [errors.Problem("the file is not UTF-8 here", file=file, line=line, column=column)]
        ) from error


def _syntax_problem(error: yaml.YAMLError, file: str) -> errors.Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    message = f"invalid YAML: {said}" + (f" ({context})" if context else "")
    if mark is None:
        return errors.Problem(message, file=file)
    hint = next((hint for words, hint in _SYNTAX_HINTS if words in message), "")
    begin = getattr(error, "context_mark", None)
    if begin is not None and begin.line != mark.line and "quoted" in message:
        hint = f"The quote is opened in line {begin.line + 1} and not closed."
    return errors.Problem(message, file=file, line=mark.line + 1, column=mark.column + 1, hint=hint)


_SYNTAX_HINTS = (
    (
        "cannot start any token",
        "Indent with spaces, not tabs; a value that begins with @ or ` needs quotes.",
    ),
    ("parsing a block mapping", "Keys of one mapping begin in one column, each followed by a colon."),
    ("parsing a block collection", "Items of one list begin in one column, each with a dash."),
    ("parsing a flow sequence", "A list in brackets needs commas between its items and a ] at its end."),
    ("parsing a flow mapping", "A mapping in braces needs commas between its keys and a } at its end."),
    ("mapping values are not allowed", "A value with a colon and a space in it needs quotes."),
)


class _Events:
    """Turns the event stream into nodes, within a budget."""

    def __init__(self, events: Iterator[yaml.Event], file: str, via: tuple[str, ...]) -> None:
        self._events = events
        self._file = file
        self._via = via
        self._anchors: dict[str, Node | None] = {}
        self._sizes: dict[int, int] = {}
        self._count = 0

    def documents(self) -> list[Node]:
        import yaml

        found = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                found.append(self._node(next(self._events), 0))
        return found

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        return Place(self._file, line, column, self._via)

    def _fail(self, place: Place, message: str, hint: str = "") -> errors.StackFileError:
        return errors.StackFileError(
            [
                errors.Problem(
                    message, file=place.file, line=place.line, column=place.column, hint=hint, via=place.via
                )
            ]
        )

    def _spend(self, place: Place, count: int) -> None:
        self._count += count
        if self._count > MOST_NODES:
            raise self._fail(
                place,
                f"the file stands for more than {MOST_NODES} values",
                "Aliases that multiply each other are refused.",
            )

    def _node(self, event: yaml.Event, depth: int) -> Node:
        import yaml

        place = self._place(event)
        self._spend(place, 1)
        if depth > DEEPEST:
            raise self._too_deep(place)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place, depth)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        before = self._count
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self._sequence(depth), place, override=self._tag(event.tag, place))
        elif isinstance(event, yaml.MappingStartEvent):
            override = self._tag(event.tag, place)
            node = Node(self._mapping(depth), place, override=override)
        else:
            raise self._fail(place, "unexpected content")
        if anchor is not None:
            self._anchors[anchor] = node
            self._sizes[id(node)] = self._count - before + 1
        return node

    def _alias(self, event: yaml.AliasEvent, place: Place, depth: int) -> Node:
        if event.anchor not in self._anchors:
            raise self._fail(place, f"alias *{event.anchor} names no anchor")
        node = self._anchors[event.anchor]
        if node is None:
            raise self._fail(place, f"alias *{event.anchor} contains itself")
        self._spend(place, self._sizes[id(node)])
        return self._copy(node, place, depth)

    def _copy(self, node: Node, place: Place, depth: int) -> Node:
        """A deep copy, so that a pass which changes one use of an alias leaves the others alone."""
        if depth > DEEPEST:
            raise self._too_deep(place)
        value = node.value
        if isinstance(value, dict):
            value = {key: self._copy(child, place, depth + 1) for key, child in value.items()}
        elif isinstance(value, list):
            value = [self._copy(child, place, depth + 1) for child in value]
        return Node(value, node.place, override=node.override, key=node.key)

    def _too_deep(self, place: Place) -> errors.StackFileError:
        return self._fail(place, f"the file is nested more than {DEEPEST} levels deep")

    def _sequence(self, depth: int) -> list[Node]:
        import yaml

        items: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Node]:
        import yaml

        own: dict[str, Node] = {}
        merged: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            place = self._place(event)
            is_merge = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if is_merge:
                merged += self._merge_sources(value)
                continue
            if isinstance(key.value, dict | list):
                raise self._fail(place, "a key must be a plain word")
            if not isinstance(key.value, str):
                raise self._fail(
                    place,
                    f"the key {_key_text(event) or 'null'} is not text",
                    f'Put it in quotes: "{_key_text(event)}".',
                )
            name = _key_text(event) if isinstance(key.value, Timestamp) else key.value
            if name in own:
                raise self._fail(
                    place, f"mapping key {name!r} is already defined at line {(own[name].key or place).line}"
                )
            value.key = place
            own[name] = value
        for source in merged:
            for name, value in source.entries():
                own.setdefault(name, value)
        return own

    def _merge_sources(self, value: Node) -> list[Node]:
        sources = list(value.items()) if isinstance(value.value, list) else [value]
        for source in sources:
            if not isinstance(source.value, dict):
                raise self._fail(source.place, "<< must name a mapping or a list of mappings")
        return sources

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Node:
        override = self._tag(event.tag, place)
        if "\0" in event.value:
            raise self._fail(
                place, "a NUL character is not allowed", "No program, path or name can hold one."
            )
        is_plain = event.implicit[0] and not event.style
        if is_plain or (override and not event.style):
            return Node(resolve(event.value), place, override=override)
        tag = (event.tag or "").removeprefix(_STANDARD)
        if event.tag and event.tag.startswith(_STANDARD) and tag != "str":
            return Node(resolve(event.value), place)
        return Node(event.value, place, override=override)

    def _tag(self, tag: str | None, place: Place) -> str:
        if tag is None or tag == "!":
            return ""
        if tag in _TAGS:
            return _TAGS[tag]
        if tag.removeprefix(_STANDARD) in {"str", "int", "float", "bool", "null", "map", "seq"}:
            return ""
        raise self._fail(
            place, f"unknown tag {tag.replace(_STANDARD, '!!')}", "Only !reset and !override are known."
        )


def _key_text(event: yaml.Event) -> str:
    return str(getattr(event, "value", ""))


def resolve(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar; whole numbers beyond 64 bits are floats, as in Go."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if len(text) <= _LONGEST_INT and _INT.fullmatch(text):
        number = _integer(text)
        return number if -(2**63) <= number < 2**64 else float(number)
    if _FLOAT.fullmatch(text) and any(c.isdigit() for c in text):
        return float(text.replace("_", ""))
    stamp = _TIMESTAMP.fullmatch(text) if text[:4].isdecimal() and len(text) <= 40 else None
    if stamp is not None and (canonical := _timestamp(stamp)):
        return Timestamp(canonical)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return -math.inf if infinite[1] == "-" else math.inf
    return math.nan if text in {".nan", ".NaN", ".NAN"} else text


def _timestamp(match: re.Match[str]) -> str:
    """The date in RFC 3339, or "" when there is no such day or hour."""
    try:
        date = datetime.date(int(match[1]), int(match[2]), int(match[3]))
        time = datetime.time(int(match[4] or 0), int(match[5] or 0), int(match[6] or 0))
    except ValueError:
        return ""
    fraction = (match[7] or "").rstrip("0")
    zone = match[8] or "Z"
    if zone not in ("Z", "+00:00", "-00:00") and len(zone) < 6:
        digits = zone[1:].replace(":", "")
        zone = f"{zone[0]}{digits[:2]:0>2}:{digits[2:] or '00'}"
    return f"{date}T{time}{'.' + fraction if fraction else ''}{'Z' if zone.endswith('00:00') else zone}"


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign, digits = (-1 if digits.startswith("-") else 1), digits.lstrip("+-")
    if digits.startswith("0x"):
        return sign * int(digits, 16)
    if digits.startswith("0b"):
        return sign * int(digits, 2)
    if digits.startswith("0o"):
        return sign * int(digits, 8)
    if digits.startswith("0") and len(digits) > 1:
        return sign * int(digits, 8)
    return sign * int(digits)
