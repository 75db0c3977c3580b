"""The grammar of ``.env`` and ``env_file`` files (Compose Specification, ``env_file``; features.md 2).

``KEY=value``, ``export`` allowed, ``#`` comments (within a line only after white space), single quotes
literal, double quotes with escapes and interpolation, both over several lines, unquoted interpolated.
``KEY`` alone takes its value from the caller.  Earlier lines are visible to later ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from composer import errors
from composer.stackfile import interpolate

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-\[\]]*", re.ASCII)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$$"}
_INLINE_COMMENT = re.compile(r"\s#")

MOST_VARIABLES = 10_000
MOST_CHARACTERS = 4 * 1024 * 1024


class Values(dict[str, "str | None"]):
    """The variables of a file in order, and the line of each; ``None`` is a key without a value."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


def parse(
    text: str,
    file: str,
    lookup: Callable[[str], str | None],
    before: Callable[[str], str | None] = lambda _name: None,
) -> Values:
    """The variables of a file in order; ``None`` for a key without value that the caller lacks.

    A variable in a value is that of ``lookup``, else of an earlier line, else of ``before``.
    Raises ``StackFileError`` with the line of what is wrong.
    """
    _refuse_nul(text, file)
    return _Parser(text.removeprefix("\ufeff").replace("\r\n", "\n"), file, lookup, before).parse()


def parse_raw(text: str, file: str, lookup: Callable[[str], str | None]) -> Values:
    """``format: raw``: everything behind the first ``=`` is the value, as it stands."""
    _refuse_nul(text, file)
    found = Values()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if len(found) >= MOST_VARIABLES:
            raise _failure(file, number, f"more than {MOST_VARIABLES} variables")
        key, equals, value = line.partition("=")
        if not key.strip() or " " in key.strip():
            raise _failure(file, number, f"invalid line {line.strip()!r}")
        found[key.strip()] = value if equals else lookup(key.strip())
        found.lines[key.strip()] = number
    return found


def _refuse_nul(text: str, file: str) -> None:
    if "\0" in text:
        raise _failure(file, text.count("\n", 0, text.index("\0")) + 1, "a NUL character is not allowed")


def _failure(file: str, line: int, message: str) -> errors.StackFileError:
    return errors.StackFileError([errors.Problem(message, file=file, line=line, hint="Expected KEY=VALUE.")])


class _Parser:
    def __init__(
        self,
        text: str,
        file: str,
        lookup: Callable[[str], str | None],
        before: Callable[[str], str | None],
    ) -> None:
        self._before = before
        self._text = text
        self._file = file
        self._caller = lookup
        self._position = 0
        self._found = Values()
        self._entries = self._characters = 0

    def parse(self) -> Values:
        while self._position < len(self._text):
            end = self._line_end()
            line = self._text[self._position : end].strip()
            if not line or line.startswith("#"):
                self._position = end + 1
                continue
            self._entry(end)
        return self._found

    def _line_end(self, start: int | None = None) -> int:
        end = self._text.find("\n", self._position if start is None else start)
        return len(self._text) if end < 0 else end

    def _entry(self, end: int) -> None:
        self._entries += 1
        if self._entries > MOST_VARIABLES:
            raise self._fail(f"more than {MOST_VARIABLES} variables")
        line = self._text[self._position : end]
        offset = len(line) - len(line.lstrip())
        if re.match(r"export\s", line[offset:]):
            offset += len("export")
            offset += len(line[offset:]) - len(line[offset:].lstrip())
        key = _KEY.match(line, offset)
        if key is None:
            raise self._fail(f"unexpected character in variable name near {line.strip()!r}")
        self._found.lines[key[0]] = self._line()
        rest = line[key.end() :]
        after = rest.lstrip()
        if not after or after.startswith("#"):
            self._found[key[0]] = self._lookup(key[0])
            self._position = end + 1
            return
        if after[0] not in "=:":
            raise self._fail(f"expected = behind {key[0]!r}")
        start = self._position + key.end() + (len(rest) - len(after)) + 1
        self._value(key[0], start, end)

    def _value(self, key: str, start: int, end: int) -> None:
        while start < end and self._text[start] in " \t":
            start += 1
        quote = self._text[start : start + 1]
        if quote in ("'", '"'):
            self._found[key] = self._quoted(start, quote)
            return
        raw = self._text[start:end]
        comment = _INLINE_COMMENT.search(" " + raw)
        raw = raw[: max(0, comment.start() - 1) if comment else len(raw)] if comment else raw
        self._found[key] = self._interpolated(raw.strip())
        self._position = end + 1

    def _quoted(self, start: int, quote: str) -> str:
        position = start + 1
        parts: list[str] = []
        while position < len(self._text):
            character = self._text[position]
            if character == quote:
                self._after_quote(position + 1)
                text = "".join(parts)
                return text if quote == "'" else self._interpolated(text)
            if character == "\\" and quote == '"' and position + 1 < len(self._text):
                escaped = self._text[position + 1]
                parts.append(_ESCAPES.get(escaped, "\\" + escaped))
                position += 2
                continue
            if character == "\\" and quote == "'" and position + 1 < len(self._text):
                escaped = self._text[position + 1]  # a pair is a pair, as in compose-go: '\\\\' ends here
                parts.append(escaped if escaped == quote else "\\" + escaped)
                position += 2
                continue
            parts.append(character)
            position += 1
        raise self._fail("unterminated quoted value")

    def _after_quote(self, position: int) -> None:
        end = self._line_end(position)
        rest = self._text[position:end].strip()
        if rest and not rest.startswith("#"):
            raise self._fail(f"unexpected text behind a quoted value: {rest!r}")
        self._position = end + 1

    def _interpolated(self, text: str) -> str:
        try:
            value = interpolate.interpolate(text, self._lookup, lambda _name: None)
        except interpolate.InterpolationError as error:
            raise self._fail(str(error)) from error
        self._characters += len(value)
        if self._characters > MOST_CHARACTERS:
            raise self._fail(f"the values are longer than {MOST_CHARACTERS} characters in all")
        return value

    def _lookup(self, name: str) -> str | None:
        value = self._caller(name)
        value = self._found.get(name) if value is None else value
        return self._before(name) if value is None else value

    def _fail(self, message: str) -> errors.StackFileError:
        return _failure(self._file, self._line(), message)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._position) + 1
