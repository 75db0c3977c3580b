"""``${VAR:-default}``: Compose's interpolation grammar, nested, on strings and on a whole tree.

Source: Compose Specification, "Interpolation"; oddities as Docker Compose v2.40.3 shows them: ``$$``
is a dollar, ``$9`` and a final ``$`` stay as they are, braces balance, keys are never interpolated.
What comes out is text and stays text: a password ``0123`` is no octal number (later passes turn
``"8080"`` into a number where one is wanted).  A value is never interpolated twice, and what a file
stands for is bounded, because thirty lines that double each other stand for gigabytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import attrs

from composer import errors
from composer.stackfile.casts import CASTS
from composer.stackfile.tree import Node, Path, problem

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DEEPEST = 64
LONGEST = 1024 * 1024
MOST_CHARACTERS = 8 * 1024 * 1024

Lookup = Callable[[str], str | None]


class InterpolationError(ValueError):
    """The text is no valid interpolation, or a required variable is missing."""


def interpolate(text: str, lookup: Lookup, on_unset: Callable[[str], None], *, depth: int = 0) -> str:
    """Replace every variable of ``text``; ``on_unset`` hears of plain ones that are not set."""
    if "$" not in text:
        return text
    if depth > _DEEPEST:
        message = f"nested more than {_DEEPEST} levels deep"
        raise InterpolationError(message)
    parts: list[str] = []
    position = length = 0
    while True:
        dollar = text.find("$", position)
        if dollar < 0:
            parts.append(text[position:])
            return "".join(parts)
        parts.append(text[position:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "$":
            parts.append("$")
            position = dollar + 2
        elif following == "{":
            end = _closing(text, dollar + 1)
            parts.append(_braced(text[dollar + 2 : end], lookup, on_unset, depth))
            length += len(parts[-1])
            position = end + 1
        else:
            name = _NAME.match(text, dollar + 1)
            if name is None:
                parts.append("$")
                position = dollar + 1
            else:
                parts.append(_plain(name[0], lookup, on_unset))
                length += len(parts[-1])
                position = name.end()
        if length > LONGEST:
            message = f"the value is longer than {LONGEST} characters"
            raise InterpolationError(message)


def _closing(text: str, opening: int) -> int:
    """The brace that closes the one at ``opening``; braces within balance."""
    level = 0
    for index in range(opening, len(text)):
        if text[index] == "{":
            level += 1
        elif text[index] == "}":
            level -= 1
            if level == 0:
                return index
    message = f"unterminated variable {text[opening - 1 :]!r}"
    raise InterpolationError(message)


def _plain(name: str, lookup: Lookup, on_unset: Callable[[str], None]) -> str:
    value = lookup(name)
    if value is None:
        on_unset(name)
        return ""
    return value


def _braced(body: str, lookup: Lookup, on_unset: Callable[[str], None], depth: int) -> str:
    name = _NAME.match(body)
    if name is None:
        message = f"invalid interpolation format ${{{body}}}"
        raise InterpolationError(message)
    rest = body[name.end() :]
    if not rest:
        return _plain(name[0], lookup, on_unset)
    operator = rest[:2] if rest[0] == ":" else rest[:1]
    word = rest[len(operator) :]
    if operator not in (":-", "-", ":?", "?", ":+", "+"):
        message = f"invalid interpolation format ${{{body}}}"
        raise InterpolationError(message)
    value = lookup(name[0])
    is_set = value is not None and (bool(value) or operator[0] != ":")

    def expanded() -> str:
        return interpolate(word, lookup, on_unset, depth=depth + 1)

    if operator.endswith("+"):
        return expanded() if is_set else ""
    if is_set:
        return value or ""
    if operator.endswith("?"):
        message = f"required variable {name[0]} is missing a value" + (f": {expanded()}" if word else "")
        raise InterpolationError(message)
    return expanded()


@attrs.frozen
class Use:
    """A variable that a text uses, and what it says for the case that it is missing, or there."""

    name: str
    required: bool = False
    default: str = ""
    alternate: str = ""


def uses_in(text: str) -> Iterator[Use]:
    """The variables of a text, outermost first, in order; nonsense has none."""
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        following = text[dollar + 1 : dollar + 2]
        name = _NAME.match(text, dollar + 1)
        if following == "{":
            try:
                end = _closing(text, dollar + 1)
            except InterpolationError:
                return
            yield from _uses_in_braces(text[dollar + 2 : end])
            position = end + 1
        elif name is not None:
            yield Use(name[0])
            position = name.end()
        else:
            position = dollar + 1 + (following == "$")


def _uses_in_braces(body: str) -> Iterator[Use]:
    name = _NAME.match(body)
    if name is None:
        return
    rest = body[name.end() :].removeprefix(":")
    operator, word = rest[:1], rest[1:]
    yield Use(
        name[0],
        required=operator == "?",
        default=word if operator == "-" else "",
        alternate=word if operator == "+" else "",
    )
    yield from uses_in(word)


def interpolate_tree(
    root: Node, lookup: Lookup, on_unset: Callable[[str, Node], None]
) -> list[errors.Problem]:
    """Interpolate every scalar value in place, and cast where a number or boolean is wanted.

    Returns all problems.
    """
    problems: list[errors.Problem] = []
    characters = 0

    def visit(node: Node, path: Path) -> None:
        nonlocal characters
        if node.override == "reset":  # what it says is of no interest, and need not be valid
            return
        value = node.value
        if isinstance(value, dict):
            for key, child in value.items():
                if not isinstance(child.value, int | float | None):
                    visit(child, (*path, key))
        elif isinstance(value, list):
            for index, child in enumerate(value):
                visit(child, (*path, index))
        elif isinstance(value, str) and "$" in value and characters <= MOST_CHARACTERS:
            try:
                text = interpolate(value, lookup, lambda name: on_unset(name, node))
            except InterpolationError as error:
                problems.append(problem(node, path, str(error), hint=_hint(error)))
                return
            node.written, node.value = value, text
            characters += len(text)
            if characters > MOST_CHARACTERS:
                message = f"the variables of this file stand for more than {MOST_CHARACTERS} characters"
                problems.append(problem(node, path, message))

    visit(root, ())
    for node, path, cast in CASTS.select(root):
        if isinstance(node.value, str) and node.override != "reset":
            try:
                node.value = cast(node.value)
            except ValueError as error:
                problems.append(problem(node, path, str(error)))
    return problems


def _hint(error: InterpolationError) -> str:
    return "" if "required variable" in str(error) else "Write $$ for a dollar sign."
