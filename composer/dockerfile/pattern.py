"""Path patterns: Go's ``filepath.Match`` and the ``**`` that .dockerignore adds to it.

``*`` and ``?`` never match a slash; ``**`` matches any number of directories.  A pattern is the
user's, but a build context may be anybody's, so matching must not take exponential time: patterns
with more than two loops are matched by following all alternatives at once instead of by ``re``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

_MOST_LOOPS_FOR_RE = 2


class _Loop(enum.Enum):
    """The parts of a pattern that match a varying number of characters."""

    NAME = "[^/]*"
    ANYTHING = ".*"
    DIRECTORIES = "(?:.*/)?"


_Token = _Loop | re.Pattern[str] | str


class Pattern:
    """One compiled pattern; raises ``ValueError`` when it is malformed."""

    __slots__ = ("_automaton", "_literal", "_regex", "text")

    def __init__(self, text: str, *, knows_double_star: bool = False) -> None:
        self.text = text
        tokens = _tokens(text, knows_double_star=knows_double_star)
        self._literal: str | None = None
        self._regex: re.Pattern[str] | None = None
        self._automaton = _Automaton(tokens)
        if all(isinstance(token, str) for token in tokens):
            self._literal = "".join(token for token in tokens if isinstance(token, str))
        elif sum(isinstance(token, _Loop) for token in tokens) <= _MOST_LOOPS_FOR_RE:
            self._regex = re.compile("".join(map(_regex, tokens)), re.DOTALL)

    def matches(self, path: str) -> bool:
        """Whether the whole of ``path`` (relative, slashes) matches."""
        if self._literal is not None:
            return path == self._literal
        if self._regex is not None:
            return self._regex.fullmatch(path) is not None
        return self._automaton.matches(path)


def has_wildcard(text: str) -> bool:
    """Whether a path is a pattern rather than a name."""
    return any(character in "*?[" for character in text)


def _regex(token: _Token) -> str:
    if isinstance(token, _Loop):
        return token.value
    return re.escape(token) if isinstance(token, str) else token.pattern


_ONE = re.compile("[^/]", re.DOTALL)


def _tokens(text: str, *, knows_double_star: bool) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "*":
            if knows_double_star and text.startswith("*", position):
                position += 1
                position += text.startswith("/", position)
                loop = _Loop.DIRECTORIES if position < len(text) else _Loop.ANYTHING
            else:
                loop = _Loop.NAME
            if tokens[-1:] != [loop]:  # the same loop twice matches what one of it matches
                tokens.append(loop)
        elif character == "?":
            tokens.append(_ONE)
        elif character == "[":
            expression, position = _character_class(text, position)
            tokens.append(expression)
        elif character == "\\":
            if position == len(text):
                message = f"syntax error in pattern {text!r}: it ends with a backslash"
                raise ValueError(message)
            tokens.append(text[position])
            position += 1
        else:
            tokens.append(character)
    return tuple(tokens)


def _character_class(text: str, position: int) -> tuple[re.Pattern[str], int]:
    """Read ``[^a-z]`` from after the bracket."""
    parts: list[str] = []
    is_negated = text.startswith("^", position)
    position += is_negated
    while position < len(text) and (text[position] != "]" or not parts):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            position += 1
            parts.append(re.escape(text[position]))
        else:
            parts.append("-" if character == "-" else re.escape(character))
        position += 1
    if position == len(text):
        message = f"syntax error in pattern {text!r}: [ is not closed"
        raise ValueError(message)
    body = "".join(parts)
    try:
        return re.compile(f"(?!/)[{'^' if is_negated else ''}{body}]", re.DOTALL), position + 1
    except re.error as error:
        message = f"syntax error in pattern {text!r}: {error.msg}"
        raise ValueError(message) from error


class _Automaton:
    """Follows all alternatives at once: the bits of one integer are the places reached in the pattern.

    A step of it is a handful of integer operations, so time grows with the length of the path only.
    ``DIRECTORIES`` takes two places: before it (which may be skipped) and inside it (any characters,
    left by a slash).
    """

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._readers: list[tuple[int, _Token]] = []
        self._names = self._anywhere = self._insides = self._skips = self._entries = 0
        position = 0
        for token in tokens:
            bit = 1 << position
            if token is _Loop.NAME:
                self._names |= bit
                self._skips |= bit
            elif token is _Loop.ANYTHING:
                self._anywhere |= bit
                self._skips |= bit
            elif token is _Loop.DIRECTORIES:
                self._entries |= bit
                self._skips |= bit  # into it; past it by _entries
                self._insides |= bit << 1
                position += 1
            else:
                self._readers.append((bit, token))
            position += 1
        self._accepted = 1 << position
        self._read_by: dict[str, int] = {}

    def matches(self, path: str) -> bool:
        """Whether the whole of ``path`` matches."""
        reached = self._closed(1)
        for character in path:
            reading = reached & self._readable(character)
            staying = reached & (self._anywhere | self._insides)
            if character == "/":
                reading |= reached & self._insides
            else:
                staying |= reached & self._names
            reached = self._closed(reading << 1 | staying)
            if not reached:
                return False
        return bool(reached & self._accepted)

    def _readable(self, character: str) -> int:
        """The places whose single character matches."""
        known = self._read_by.get(character)
        if known is None:
            known = 0
            for bit, token in self._readers:
                if token == character if isinstance(token, str) else _matches_one(token, character):
                    known |= bit
            self._read_by[character] = known
        return known

    def _closed(self, reached: int) -> int:
        """Add what is reached without reading a character."""
        while True:
            grown = reached | (reached & self._skips) << 1 | (reached & self._entries) << 2
            if grown == reached:
                return reached
            reached = grown


def _matches_one(token: _Loop | re.Pattern[str], character: str) -> bool:
    return isinstance(token, re.Pattern) and token.match(character) is not None
