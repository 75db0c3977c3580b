"""Checks a tree against ``schemas/stack.schema.json`` and says what is wrong where.

``jsonschema`` finds the violations; what it reports for a choice of forms is turned into one sentence
about the form that the author most likely meant.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from composer.model.data import read_schema
from composer.stackfile import vocabulary
from composer.stackfile.tree import Node, Path, at, matches, plain, problem

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from composer import errors

MOST_PROBLEMS = 200
"""More help nobody, and a suggestion for each unknown key takes a millisecond."""

_TYPES = {
    dict: "a mapping",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


def problems_in(root: Node) -> list[errors.Problem]:
    """The violations in the order of the file; of very many only the first that are found."""
    found = itertools.chain.from_iterable(
        _problems_of(root, violation) for violation in _validator().iter_errors(plain(root))
    )
    return sorted(set(itertools.islice(found, MOST_PROBLEMS)))


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    return jsonschema.Draft202012Validator(json.loads(read_schema("stack.schema.json")))


def _problems_of(root: Node, violation: ValidationError) -> Iterable[errors.Problem]:
    path: Path = tuple(violation.absolute_path)
    if violation.validator == "anyOf" and violation.context:
        branch = _meant_branch(violation)
        if branch:
            for inner in branch:
                yield from _problems_of(root, inner)
            return
    if violation.validator == "additionalProperties":
        yield from _unknown_keys(root, path, violation)
        return
    node = at(root, path)
    if violation.validator == "required":
        missing = str(violation.message).split("'")[1]
        yield problem(node, path, f"{missing} is missing")
        return
    yield problem(node, path, _sentence(violation))


def _meant_branch(violation: ValidationError) -> list[ValidationError]:
    """The errors of the one form whose type fits the value: it is the one that was meant."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in violation.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    fitting = [
        found
        for found in branches.values()
        if not any(inner.validator == "type" and not inner.relative_path for inner in found)
    ]
    return fitting[0] if len(fitting) == 1 and isinstance(violation.instance, dict | list) else []


def _sentence(violation: ValidationError) -> str:
    value = violation.instance
    kind = _TYPES.get(type(value), "nothing")
    if violation.validator == "enum":
        words: Any = violation.validator_value
        allowed = ", ".join(str(word) for word in words)
        if value in vocabulary.UNSUPPORTED_TYPES and "bind" in words:
            return f"mounts of type {value} are unsupported by this version of composer"
        return f"{value!r} is not one of {allowed}"
    schema = violation.schema
    expected = schema.get("title") if isinstance(schema, dict) else None
    if expected is None and violation.validator == "type":
        wanted = violation.validator_value
        wanted = wanted if isinstance(wanted, list) else [wanted]
        expected = " or ".join(
            {"object": "a mapping", "array": "a list"}.get(word, f"a {word}") for word in wanted
        )
    if expected is None:
        return str(violation.message)
    return f"expected {expected}, found {kind}" + (
        f" ({value!r})" if not isinstance(value, dict | list) else ""
    )


def _unknown_keys(root: Node, path: Path, violation: ValidationError) -> Iterable[errors.Problem]:
    schema = violation.schema
    assert isinstance(schema, dict)
    known = set(schema.get("properties", ()))
    node = at(root, path)
    for key, child in node.entries():
        if key in known or key.startswith("x-"):
            continue
        if not known:
            if not all(c.isascii() and (c.isalnum() or c in "._-") for c in key):
                yield problem(
                    child, (*path, key), f"{key!r} is not a valid name", hint="Use letters, digits, . _ -"
                )
            continue
        unsupported = _unsupported_at(path)
        if key in unsupported:
            yield problem(child, (*path, key), f"{key} is unsupported by this version of composer",
                          hint="docs/compatibility.md lists what is honoured.")  # fmt: skip
            continue
        close = difflib.get_close_matches(key, sorted(known | unsupported), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else "Only keys that begin with x- are free."
        yield problem(child, (*path, key), f"additional property {key!r} is not allowed", hint=hint)


def _unsupported_at(path: Path) -> frozenset[str]:
    for pattern, keys in vocabulary.UNSUPPORTED:
        if (pattern == "" and not path) or (pattern and matches(pattern, path)):
            return keys
    return frozenset()
