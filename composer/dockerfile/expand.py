"""Variables in the words of an instruction: ``$name``, ``${name:-word}`` and their kin.

This is BuildKit's small shell language, not a shell: quotes are removed, the escape character
protects one character, and what a variable holds is never read again, so a value cannot inject.
Word patterns (``#``, ``%``, ``/``) know ``*`` and ``?`` only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_DEEPEST = 100


def expand(text: str, variables: Mapping[str, str], *, escape: str = "\\", keeps_quotes: bool = False) -> str:
    """Expand the variables of ``text`` and, unless ``keeps_quotes``, remove quotes and escapes.

    Raises ``ValueError`` with a sentence for the user: unbalanced quotes, a bad substitution, or a
    variable that ``${name:?message}`` demands.
    """
    return _Scanner(text, variables, escape, keeps_quotes=keeps_quotes).read("", depth=0)


class _Scanner:
    """One pass over one word."""

    def __init__(self, text: str, variables: Mapping[str, str], escape: str, *, keeps_quotes: bool) -> None:
        self._text = text
        self._variables = variables
        self._escape = escape
        self._keeps_quotes = keeps_quotes
        self._position = 0

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def read(self, stop: str, *, depth: int, keeps_escapes: bool = False) -> str:
        """Read up to the unquoted character ``stop``, which is consumed, or to the end."""
        result: list[str] = []
        while self._position < len(self._text):
            character = self._next()
            if stop and character == stop:
                return "".join(result)
            if character == "$":
                result.append(self._dollar(depth))
            elif character == "'" and not self._keeps_quotes:
                result.append(self._single_quoted())
            elif character == '"' and not self._keeps_quotes:
                result.append(self._double_quoted(depth))
            elif character == self._escape:
                if keeps_escapes or (self._keeps_quotes and self._peek() != "$"):
                    result.append(character)
                result.append(self._next())
            else:
                result.append(character)
        if stop:
            message = f"syntax error: missing {stop!r}"
            raise ValueError(message)
        return "".join(result)

    def _single_quoted(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            message = "unexpected end of statement while looking for matching single-quote"
            raise ValueError(message)
        start, self._position = self._position, end + 1
        return self._text[start:end]

    def _double_quoted(self, depth: int) -> str:
        result: list[str] = []
        while self._position < len(self._text):
            character = self._next()
            if character == '"':
                return "".join(result)
            if character == "$":
                result.append(self._dollar(depth))
            elif character == self._escape:
                # Inside double quotes the escape character protects only what is special there.
                following = self._next()
                result.append(following if following in {'"', "$", self._escape} else character + following)
            else:
                result.append(character)
        message = "unexpected end of statement while looking for matching double-quote"
        raise ValueError(message)

    def _dollar(self, depth: int) -> str:
        if depth > _DEEPEST:
            message = "variables are nested too deeply"
            raise ValueError(message)
        if self._peek() != "{":
            name = self._name()
            return self._variables.get(name, "") if name else "$"
        self._position += 1
        name = self._name()
        if not name:
            message = "syntax error: bad substitution"
            raise ValueError(message)
        operator = self._next()
        if operator == "}":
            return self._variables.get(name, "")
        return self._modified(name, operator, depth + 1)

    def _name(self) -> str:
        match = _NAME.match(self._text, self._position)
        if match is None:
            return ""
        self._position = match.end()
        return match[0]

    def _modified(self, name: str, operator: str, depth: int) -> str:
        """``${name<operator>word}``, read from after the operator."""
        is_colon = operator == ":"
        if is_colon:
            operator = self._next()
        value = self._variables.get(name)
        is_set = value is not None and not (is_colon and value == "")
        text = value or ""
        if operator in {"-", "+", "?"}:
            word = self.read("}", depth=depth)
            if operator == "-":
                return text if is_set else word
            if operator == "+":
                return word if is_set else ""
            if not is_set:
                message = f"{name}: {word or 'is not allowed to be unset'}"
                raise ValueError(message)
            return text
        if operator in {"#", "%", "/"} and not is_colon:
            is_doubled = self._peek() == operator
            self._position += is_doubled
            if operator == "/":
                pattern = self.read("/", depth=depth, keeps_escapes=True)
                replacement = self.read("}", depth=depth)
                return _replaced(text, pattern, replacement, everywhere=is_doubled)
            pattern = self.read("}", depth=depth, keeps_escapes=True)
            return _trimmed(text, pattern, at_start=operator == "#", is_greedy=is_doubled)
        message = f"unsupported modifier ({':' if is_colon else ''}{operator}) in substitution of {name}"
        raise ValueError(message)


def _trimmed(text: str, pattern: str, *, at_start: bool, is_greedy: bool) -> str:
    """Cut the shortest or longest match of ``pattern`` off one end."""
    whole = re.compile(_regex(pattern), re.DOTALL)
    lengths = range(len(text) + 1)
    for length in reversed(lengths) if is_greedy else lengths:
        rest = len(text) - length
        if whole.fullmatch(text[:length] if at_start else text[rest:]):
            return text[length:] if at_start else text[:rest]
    return text


def _replaced(text: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """Replace the first or every longest match of ``pattern``."""
    if not pattern:
        return text
    return re.sub(_regex(pattern), lambda _: replacement, text, count=0 if everywhere else 1, flags=re.DOTALL)


def _regex(pattern: str) -> str:
    """A shell pattern (``*``, ``?``, backslash) as a regular expression; runs of ``*`` are one."""
    parts: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            if parts[-1:] != [".*"]:
                parts.append(".*")
        elif character == "?":
            parts.append(".")
        else:
            parts.append(re.escape(next(characters, "\\") if character == "\\" else character))
    return "".join(parts)
