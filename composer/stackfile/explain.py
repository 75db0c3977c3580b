"""``composer config --explain PATH``: a value, and every place that had a say in it.

A value may have been written in several files, extended, overridden, and filled in from variables;
the tree remembers all of it.  Here that is put in order, the first place first, the deciding one last.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from composer import errors
from composer.stackfile import attributes, interpolate
from composer.stackfile.locate import Variables
from composer.stackfile.shape import ANY, YAML, List, Map, Shape, Struct
from composer.stackfile.tree import Node, Path, dotted

_PART = re.compile(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)')


@attrs.frozen(kw_only=True)
class Variable:
    """A variable that a value was filled in from: ``value`` is ``None`` when it is not set."""

    name: str
    value: str | None
    source: str


@attrs.frozen(kw_only=True)
class Step:
    """One place that set a value: ``written`` is what stands there, ``value`` what it came to."""

    file: str
    line: int
    column: int
    via: tuple[str, ...]
    written: str
    value: str
    variables: tuple[Variable, ...] = ()
    implied: str = ""


@attrs.frozen(kw_only=True)
class Explanation:
    """A path, the plain value that it has, and for each value in it the steps that led there."""

    path: str
    value: Any
    steps: Mapping[str, tuple[Step, ...]]


def explain(root: Node, scopes: Mapping[str, Variables], text: str) -> Explanation:
    """What ``text`` (``services.web.ports[0]``) has in a settled tree; raises ``UsageError``."""
    path, node, shape = _found(root, text)
    steps = {dotted(where): tuple(_steps(leaf, where, scopes)) for where, leaf in _leaves(node, path)}
    return Explanation(path=dotted(path), value=shape.emit(node, YAML), steps=steps)


def _found(root: Node, text: str) -> tuple[Path, Node, Shape]:
    path: Path = ()
    node = root
    shape: Shape = attributes.STACK
    for part in _parts(text):
        following: Node | None = None
        if isinstance(node.value, list) and part.isdecimal() and int(part) < len(node.value):
            following = node.value[int(part)]
            path = (*path, int(part))
        elif isinstance(node.value, dict) and part in node.value:
            following = node.value[part]
            path = (*path, part)
        if following is None:
            raise _nothing_there(node, path, part)
        node, shape = following, _below(shape, part)
    return path, node, shape


def _below(shape: Shape, part: str) -> Shape:
    if isinstance(shape, Struct):
        return shape.fields.get(part, ANY)
    return shape.item if isinstance(shape, List | Map) else ANY


def _parts(text: str) -> list[str]:
    """The keys of a path; a key with dots is written ``labels["a.b"]``."""
    parts = []
    for quoted, index, plain in _PART.findall(text):
        parts.append(quoted or index or plain)
    return parts


def _nothing_there(node: Node, path: Path, part: str) -> errors.UsageError:
    where = dotted(path) or "the stack file"
    message = f"{where} has no {part!r}"
    if isinstance(node.value, list):
        hint = f"It is a list of {len(node.value)}: [0] is the first."
    elif isinstance(node.value, dict):
        close = difflib.get_close_matches(part, node.value, n=1)
        keys = ", ".join(sorted(node.value)[:12])
        hint = f"Did you mean {close[0]!r}?" if close else f"It has {keys or 'nothing'}."
    else:
        hint = "It is a single value."
    return errors.UsageError(message, hint=hint)


def _leaves(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    """The single values in a value, itself included when it is one."""
    if isinstance(node.value, dict) and node.value:
        for key, child in node.value.items():
            yield from _leaves(child, (*path, key))
    elif isinstance(node.value, list) and node.value:
        for index, child in enumerate(node.value):
            yield from _leaves(child, (*path, index))
    else:
        yield path, node


def _steps(node: Node, path: Path, scopes: Mapping[str, Variables]) -> Iterator[Step]:
    chain = [node]
    while chain[-1].former is not None and len(chain) < 100:
        chain.append(chain[-1].former)
    key = str(path[-1]) if path else ""
    for one in reversed(chain):
        place = one.place
        written = one.written if one.written is not None else _shown(one)
        variables = scopes.get(place.file)
        yield Step(
            file=place.file,
            line=place.line,
            column=place.column,
            via=place.via,
            written="" if one.implied else _without_key(written, key),
            value=_without_key(_shown(one), key),
            variables=tuple(_variables(one.written, variables)) if variables else (),
            implied=one.implied,
        )


def _variables(written: str | None, variables: Variables) -> Iterator[Variable]:
    for use in interpolate.uses_in(written or ""):
        value, origin = variables.found(use.name)
        yield Variable(name=use.name, value=value, source=str(origin) if value is not None else "")


def _shown(node: Node) -> str:
    data = ANY.emit(node, YAML)
    if data is None:
        return "null"
    return ("true" if data else "false") if isinstance(data, bool) else str(data)


def _without_key(text: str, key: str) -> str:
    """In a list of ``KEY=VALUE`` the key stands with the value."""
    return text.removeprefix(f"{key}=") if key else text


# ------------------------------------------------------------------ as text


def as_text(explanation: Explanation) -> str:
    """For people: the value, and below it one line for each place."""
    lines = []
    for path, steps in explanation.steps.items():
        lines.append(f"{path}: {steps[-1].value}")
        width = max(len(_place(step)) for step in steps)
        for step in steps:
            lines.append(f"  {_place(step):<{width}}  {_story(step)}")
            lines += [f"  {'':<{width}}  {_variable_text(variable)}" for variable in step.variables]
    return "\n".join(lines) + "\n"


def _place(step: Step) -> str:
    place = f"{step.file}:{step.line}:{step.column}" if step.line else step.file or "(nowhere)"
    return place + (f" (from {step.via[-1]})" if step.via else "")


def _story(step: Step) -> str:
    if step.implied:
        return f"{step.value}  ({step.implied})"
    return step.written if step.written == step.value else f"{step.written}  ->  {step.value}"


def _variable_text(variable: Variable) -> str:
    if variable.value is None:
        return f"{variable.name} is not set"
    return f"{variable.name}={variable.value}  ({variable.source})"


def as_data(explanation: Explanation) -> dict[str, Any]:
    """For programs."""
    return {
        "path": explanation.path,
        "value": explanation.value,
        "steps": {path: [attrs.asdict(step) for step in steps] for path, steps in explanation.steps.items()},
    }
