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

    __slots__ = ("_literal", "_regex", "_tokens", "text")

    def __init__(self, text: str, *, knows_double_star: bool = False) -> None:
        self.text = text
        self._tokens = _tokens(text, knows_double_star=knows_double_star)
        self._literal: str | None = None
        self._regex: re.Pattern[str] | None = None
        if all(isinstance(token, str) for token in self._tokens):
            self._literal = "".join(token for token in self._tokens if isinstance(token, str))
        elif sum(isinstance(token, _Loop) for token in self._tokens) <= _MOST_LOOPS_FOR_RE:
            self._regex = re.compile("".join(map(_regex, self._tokens)), re.DOTALL)

    def matches(self, path: str) -> bool:
        """Whether the whole of ``path`` (relative, slashes) matches."""
        if self._literal is not None:
            return path == self._literal
        if self._regex is not None:
            return self._regex.fullmatch(path) is not None
        return _simulate(self._tokens, path)


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


def _simulate(tokens: Sequence[_Token], path: str) -> bool:
    """Follow all alternatives at once: time is at most length of pattern times length of path."""
    states = _closed({0}, tokens)
    for character in path:
        following: set[int] = set()
        for state in states:
            if state < 0:  # inside DIRECTORIES number -state - 1: only a slash leads out of it
                following.add(state)
                if character == "/":
                    following.add(-state)
                continue
            if state == len(tokens):
                continue
            token = tokens[state]
            if isinstance(token, _Loop):
                if token is _Loop.ANYTHING or (token is _Loop.NAME and character != "/"):
                    following.add(state)
            elif token == character if isinstance(token, str) else token.match(character):
                following.add(state + 1)
        states = _closed(following, tokens)
        if not states:
            return False
    return len(tokens) in states


def _closed(states: set[int], tokens: Sequence[_Token]) -> set[int]:
    """Add what is reached without reading a character."""
    pending = list(states)
    while pending:
        state = pending.pop()
        if state < 0 or state == len(tokens) or not isinstance(tokens[state], _Loop):
            continue
        reached = [state + 1]
        if tokens[state] is _Loop.DIRECTORIES:
            reached.append(-state - 1)
        for one in reached:
            if one not in states:
                states.add(one)
                pending.append(one)
    return states
