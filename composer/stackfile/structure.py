"""Settled nodes become frozen values by the names of their fields.

For the sections whose typed form is the written one, field by field (``build``, ``deploy``, devices,
hooks, ...).  A key without a field would be lost, so it is an error of ours, not of the user:
``cattrs`` is told to refuse it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from composer.model.limits import Ulimit
from composer.model.quantity import ByteSize, Duration
from composer.stackfile.tree import Node

if TYPE_CHECKING:
    from cattrs import Converter

_Value = TypeVar("_Value")


def value_of(kind: type[_Value], node: Node) -> _Value:
    """The node as a value of ``kind``."""
    return _converter().structure(_written(node), kind)


def values_of(kind: type[_Value], node: Node | None) -> tuple[_Value, ...]:
    """The items of a list."""
    return tuple(value_of(kind, item) for item in node.items()) if node is not None else ()


def mapping_of(kind: type[_Value], node: Node | None) -> dict[str, _Value]:
    """The entries of a mapping, by key."""
    if node is None:
        return {}
    return {key: value_of(kind, child) for key, child in sorted(node.entries(), key=lambda entry: entry[0])}


def _written(node: Node) -> Any:
    """Plain data without nulls and without extensions: what nobody wrote takes the field's default."""
    if isinstance(node.value, dict):
        return {
            key: _written(child)
            for key, child in node.value.items()
            if child.value is not None and child.override != "reset"
        }
    if isinstance(node.value, list):
        return [_written(item) for item in node.value if item.override != "reset"]
    return {} if node.value is None else node.value


@functools.cache
def _converter() -> Converter:
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    for quantity in (ByteSize, Duration):
        converter.register_structure_hook(quantity, lambda raw, kind: kind(int(raw)))
    structured = converter.get_structure_hook(Ulimit)
    converter.register_structure_hook(
        Ulimit,
        lambda raw, kind: structured(raw if isinstance(raw, dict) else {"soft": raw, "hard": raw}, kind),
    )
    return converter
