"""Says quickly whether a tree fits the schema, and nothing else.

``jsonschema`` tells what is wrong, but takes 60 ms to import and longer than the whole rest of the
loader for a large file.  A right file needs none of that: here the schema becomes nested functions
that work on nodes, made on first use, one ``$ref`` at a time.  A test holds both against each other.

Only the keywords that our schema uses are known; another one is an error when it is met.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from composer.stackfile.tree import Node, plain

Check = Callable[[Node], bool]
Schema = Any

_SAID_ONLY = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "examples", "deprecated"}
)


class Checker:
    """A compiled schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._references: dict[str, Check] = {}
        self._check: Check | None = None

    def fits(self, root: Node) -> bool:
        """Whether the tree fits; raises ``LookupError`` for an unknown keyword."""
        if self._check is None:
            self._check = self._compiled(self._schema)
        return self._check(root)

    def _compiled(self, schema: Schema) -> Check:
        if schema is True or schema is False:
            return (lambda _node: True) if schema else (lambda _node: False)
        checks: list[Check] = []
        for keyword, value in schema.items():
            if keyword in _SAID_ONLY or keyword in ("patternProperties", "additionalProperties"):
                continue
            make = getattr(self, f"_of_{keyword.removeprefix('$').lower()}", None)
            if make is None:
                raise LookupError(keyword)
            checks.append(make(value))
        if schema.keys() & {"patternProperties", "additionalProperties"}:
            checks.append(self._other_properties(schema))
        if len(checks) == 1:
            return checks[0]
        return lambda node: all(check(node) for check in checks)

    def _of_ref(self, reference: str) -> Check:
        def check(node: Node) -> bool:
            compiled = self._references.get(reference)
            if compiled is None:
                target = self._schema
                for part in reference.removeprefix("#/").split("/"):
                    target = target[part]
                compiled = self._references[reference] = self._compiled(target)
            return compiled(node)

        return check

    def _of_type(self, names: str | list[str]) -> Check:
        wanted = [names] if isinstance(names, str) else names
        kinds: set[type] = set()
        for name in wanted:
            kinds.update(_KINDS[name])
        whole_floats = "integer" in wanted and float not in kinds

        def check(node: Node) -> bool:
            kind = type(node.value)
            if kind in kinds:
                return True
            if whole_floats and isinstance(node.value, float):
                return math.isfinite(node.value) and node.value.is_integer()
            return str in kinds and isinstance(node.value, str)

        return check

    def _of_enum(self, words: list[str]) -> Check:
        return lambda node: isinstance(node.value, str) and node.value in words

    def _of_pattern(self, pattern: str) -> Check:
        found = re.compile(pattern).search
        return lambda node: not isinstance(node.value, str) or found(node.value) is not None

    def _of_minimum(self, bound: float) -> Check:
        return lambda node: not _is_number(node.value) or node.value >= bound  # type: ignore[operator]

    def _of_maximum(self, bound: float) -> Check:
        return lambda node: not _is_number(node.value) or node.value <= bound  # type: ignore[operator]

    def _of_anyof(self, schemas: list[Schema]) -> Check:
        forms = [self._compiled(schema) for schema in schemas]
        return lambda node: any(form(node) for form in forms)

    def _of_items(self, schema: Schema) -> Check:
        item = self._compiled(schema)
        return lambda node: not isinstance(node.value, list) or all(item(child) for child in node.value)

    def _of_uniqueitems(self, wanted: bool) -> Check:  # noqa: FBT001 -- the keyword's value
        return lambda node: not wanted or not isinstance(node.value, list) or _is_unique(node.value)

    def _of_required(self, names: list[str]) -> Check:
        return lambda node: not isinstance(node.value, dict) or all(name in node.value for name in names)

    def _of_properties(self, schemas: dict[str, Schema]) -> Check:
        checks: dict[str, Check] = {}

        def check(node: Node) -> bool:
            if not isinstance(node.value, dict):
                return True
            for key, child in node.value.items():
                if key in schemas:
                    if key not in checks:
                        checks[key] = self._compiled(schemas[key])
                    if not checks[key](child):
                        return False
            return True

        return check

    def _other_properties(self, schema: Schema) -> Check:
        """``patternProperties`` and ``additionalProperties``, which depends on both others."""
        known = schema.get("properties", {})
        patterns = [
            (re.compile(pattern).search, self._compiled(inner))
            for pattern, inner in schema.get("patternProperties", {}).items()
        ]
        allowed = schema.get("additionalProperties", True)
        if allowed not in (True, False):
            raise LookupError("additionalProperties")

        def check(node: Node) -> bool:
            if not isinstance(node.value, dict):
                return True
            for key, child in node.value.items():
                is_known = key in known
                for found, inner in patterns:
                    if found(key):
                        is_known = True
                        if not inner(child):
                            return False
                if not is_known and not allowed:
                    return False
            return True

        return check


_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_unique(items: list[Node]) -> bool:
    """Whether no two items are equal as JSON has it: 1 and 1.0 are, 1 and true are not."""
    seen = set()
    for item in items:
        key = repr(_comparable(plain(item)))
        if key in seen:
            return False
        seen.add(key)
    return True


def _comparable(value: object) -> object:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _comparable(child) for key, child in sorted(value.items())}
    return [_comparable(child) for child in value] if isinstance(value, list) else value
