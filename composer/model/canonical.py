"""Model values as canonical JSON and back: how records store specifications.

Canonical means: keys sorted, no white space, so that equal values give equal text.  The conversion
is ``cattrs``' (docs/dependencies.md); it is imported on first use, because the thin client never
needs it.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, TypeVar

from composer.model.quantity import ByteSize, Duration

if TYPE_CHECKING:
    from cattrs import Converter

_Value = TypeVar("_Value")


def to_json(value: object) -> str:
    """The canonical text of an attrs value."""
    return json.dumps(to_tree(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def to_tree(value: object) -> object:
    """The value as plain dictionaries, lists, strings and numbers."""
    tree: object = _converter().unstructure(value)
    return tree


def from_json(kind: type[_Value], text: str) -> _Value:
    """The value that ``to_json`` wrote; unknown keys of a newer minor format are ignored."""
    return _converter().structure(json.loads(text), kind)


@functools.cache
def _converter() -> Converter:
    from cattrs import Converter

    converter = Converter()
    for quantity in (ByteSize, Duration):
        converter.register_structure_hook(quantity, lambda raw, kind: kind(int(raw)))
        converter.register_unstructure_hook(quantity, int)
    return converter
