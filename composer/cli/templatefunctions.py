"""The functions of ``--format`` templates, and how values print.  Pure.

Go's built-in functions (``text/template``, "Functions") and Docker's additions: ``json``, ``split``,
``join``, ``title``, ``lower``, ``upper``, ``pad``, ``truncate``.  A function raises
``WrongArgument`` for what it cannot take; the caller adds the place.
"""

from __future__ import annotations

import html
import json
import math
import re
import urllib.parse
from collections.abc import Callable, Mapping, Sequence

WIDEST = 10_000
"""Characters that padding may make of one value."""


class WrongArgument(ValueError):
    """A function cannot do this with these values."""


class OpenMap(dict[str, object]):
    """A mapping whose keys users chose (labels, ports): asking for one that is not there is no error."""


class Record(dict[str, object]):
    """A mapping with methods besides its fields: ``{{.Label "tier"}}`` of ``ps``."""

    def __init__(self, fields: Mapping[str, object], methods: Mapping[str, Callable[..., object]]) -> None:
        super().__init__(fields)
        self.methods = methods


class _Missing:
    """The value of a key that an open map does not have."""

    def __repr__(self) -> str:
        return "<no value>"


MISSING = _Missing()


def is_true(value: object) -> bool:
    """Go's truth: not false, 0, nil or empty."""
    return value is not MISSING and bool(value)


def shown(value: object) -> str:
    """As Go's ``fmt.Print`` shows a value."""
    match value:
        case str():
            return value
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return _float(value)
        case Mapping():
            inner = " ".join(f"{key}:{shown(item)}" for key, item in sorted(value.items()))
            return f"map[{inner}]"
        case Sequence():
            return f"[{' '.join(map(shown, value))}]"
    return str(value)


def _float(value: float) -> str:
    """``%v`` of a float: the shortest text that reads back; an exponent from 1e21 on."""
    if math.isinf(value) or math.isnan(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def as_json(value: object) -> str:
    """Compact JSON, ``<``, ``>`` and ``&`` as they are, keys in the order given."""
    if value is MISSING:
        return "null"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=shown)


# --------------------------------------------------------------------------- text


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = f"wants a string, not {type_name(value)}"
        raise WrongArgument(message)
    return value


def type_name(value: object) -> str:
    """A word for messages."""
    match value:
        case None | _Missing():
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "a map"
    return "a list"


def _split(text: object, separator: object) -> list[str]:
    text, separator = _text(text), _text(separator)
    return text.split(separator) if separator else list(text)


def _join(items: object, separator: object) -> str:
    if not isinstance(items, Sequence) or isinstance(items, str):
        message = f"wants a list, not {type_name(items)}"
        raise WrongArgument(message)
    return _text(separator).join(map(shown, items))


def _title(text: object) -> str:
    return re.sub(r"(?<!\w)\w", lambda match: match[0].upper(), _text(text))


def _pad(text: object, before: object, after: object) -> str:
    text = _text(text)
    return " " * _count(before) + text + " " * _count(after) if text else ""


def _truncate(text: object, width: object) -> str:
    return _text(text)[: _count(width)]


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= WIDEST:
        message = f"wants a number from 0 to {WIDEST}"
        raise WrongArgument(message)
    return value


# --------------------------------------------------------------------------- collections


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if value is None:
        return 0  # as of a nil map or slice, which is what stands for none in documents
    if isinstance(value, Sequence | Mapping):
        return len(value)
    message = f"{type_name(value)} has no length"
    raise WrongArgument(message)


def _index(value: object, *keys: object) -> object:
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: object, key: object) -> object:
    if isinstance(value, Mapping):
        if not isinstance(key, str):
            message = f"a map has no key {shown(key)}"
            raise WrongArgument(message)
        if key in value:
            return value[key]
        # Go gives the zero value of the map's element type: "" where the others are strings.
        return "" if all(isinstance(item, str) for item in value.values()) else None
    if isinstance(value, Sequence):
        if not isinstance(key, int) or isinstance(key, bool):
            message = f"cannot index {type_name(value)} with {shown(key)}"
            raise WrongArgument(message)
        if not 0 <= key < len(value):
            message = f"index {key} is out of range: there are {len(value)}"
            raise WrongArgument(message)
        return value[key]
    message = f"cannot index {type_name(value)}"
    raise WrongArgument(message)


def _slice(value: object, *bounds: object) -> object:
    if not isinstance(value, Sequence) or len(bounds) > 2:
        message = f"cannot slice {type_name(value)}"
        raise WrongArgument(message)
    places = [0, len(value)]
    for position, bound in enumerate(bounds):
        if not isinstance(bound, int) or not 0 <= bound <= len(value):
            message = f"index {shown(bound)} is out of range: there are {len(value)}"
            raise WrongArgument(message)
        places[position] = bound
    return value[places[0] : places[1]]


# --------------------------------------------------------------------------- comparing


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _equal(first: object, *others: object) -> bool:
    if not others:
        message = "wants two values to compare"
        raise WrongArgument(message)
    return any(_kind(first) == _kind(other) and first == other for other in others)


def _ordering(compare: Callable[[int], bool]) -> Callable[[object, object], bool]:
    def ordered(one: object, other: object) -> bool:
        if isinstance(one, str) and isinstance(other, str):
            return compare((one > other) - (one < other))
        if _kind(one) == _kind(other) == "number":
            assert isinstance(one, int | float)
            assert isinstance(other, int | float)
            return compare((one > other) - (one < other))
        message = f"cannot compare {type_name(one)} with {type_name(other)}"
        raise WrongArgument(message)

    return ordered


# --------------------------------------------------------------------------- printing

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d+)?(?:\.(?P<precision>\d*))?(?P<verb>.)", re.DOTALL)


def _print(*values: object) -> str:
    """Go's ``Sprint``: a space between two operands of which neither is a string."""
    text = ""
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            text += " "
        text += shown(value)
    return text


def _println(*values: object) -> str:
    return " ".join(map(shown, values)) + "\n"


def _printf(form: object, *values: object) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        if match["verb"] == "%":
            return "%"
        if not rest:
            return f"%!{match['verb']}(MISSING)"
        width = int(match["width"] or 0)
        precision = int(match["precision"] or 0) if match["precision"] is not None else None
        if width > WIDEST or (precision or 0) > WIDEST:
            message = f"a width is at most {WIDEST}"
            raise WrongArgument(message)
        return _formatted(match["verb"], match["flags"], width, precision, rest.pop(0))

    text = _VERB.sub(one, _text(form))
    if rest:
        text += f"%!(EXTRA {', '.join(f'{_go_type(v)}={shown(v)}' for v in rest)})"
    return text


def _formatted(verb: str, flags: str, width: int, precision: int | None, value: object) -> str:
    text = _verb(verb, flags, precision, value)
    if text is None:
        return f"%!{verb}({_go_type(value)}={shown(value)})"
    if "-" in flags:
        return text.ljust(width)
    is_number = isinstance(value, int | float) and verb in "dxXobfgeE"
    return text.zfill(width) if "0" in flags and is_number else text.rjust(width)


def _verb(verb: str, flags: str, precision: int | None, value: object) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if verb in "vs":
        if verb == "s" and (is_number or isinstance(value, bool)):
            return None
        text = shown(value)
        return text[:precision] if precision is not None and isinstance(value, str) else text
    if verb == "q":
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else None
    if verb == "T":
        return _go_type(value)
    if verb == "t":
        return shown(value) if isinstance(value, bool) else None
    if verb in "xX" and isinstance(value, str):
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if not is_number:
        return None
    sign = "+" if "+" in flags else ""
    if verb in "dxXob" and isinstance(value, int):
        return format(value, f"{sign}{verb}")
    if verb == "c" and isinstance(value, int):
        return chr(value) if 0 <= value < 0x110000 else "\ufffd"
    if verb in "feEgG" and isinstance(value, float):
        return format(value, f"{sign}.{6 if precision is None else precision}{verb}")
    return None


def _go_type(value: object) -> str:
    names = {"str": "string", "NoneType": "<nil>", "float": "float64", "bool": "bool", "int": "int"}
    kind = type(value).__name__
    return names.get(kind, "map[string]interface {}" if isinstance(value, Mapping) else "[]interface {}")


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "json": as_json,
    "split": _split,
    "join": _join,
    "title": _title,
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "pad": _pad,
    "truncate": _truncate,
    "len": _length,
    "index": _index,
    "slice": _slice,
    "not": lambda value: not is_true(value),
    "eq": _equal,
    "ne": lambda one, other: not _equal(one, other),
    "lt": _ordering(lambda order: order < 0),
    "le": _ordering(lambda order: order <= 0),
    "gt": _ordering(lambda order: order > 0),
    "ge": _ordering(lambda order: order >= 0),
    "print": _print,
    "println": _println,
    "printf": _printf,
    "html": lambda *values: html.escape(_print(*values)),
    "urlquery": lambda *values: urllib.parse.quote_plus(_print(*values)),
}
"""Every function by name; ``and`` and ``or`` look at their arguments one by one (``template``)."""
