"""Scalars as text: what Compose makes of ``1.0``, ``true`` and ``017`` where it wants a string."""

from __future__ import annotations

import math
from decimal import Decimal


def scalar_text(value: object) -> str:
    """A scalar as Compose prints it into strings (Go's ``%v``): ``1.0`` -> ``1``, true -> ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    return "" if value is None else str(value)


def float_text(value: float) -> str:
    """The shortest digits; with an exponent below 1e-4 and from 1e6 on (Go's ``%v`` of a float)."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    number = Decimal(repr(value)).normalize()
    sign, digits, _ = number.as_tuple()
    power = number.adjusted()
    if not value:
        return "-0" if sign else "0"
    if -4 <= power < 6:
        return format(number, "f")
    first, rest = digits[0], "".join(map(str, digits[1:]))
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{power:+03d}"


def is_number(text: str) -> bool:
    """Whether ``int`` reads it: ASCII digits, and not thousands of them."""
    return 0 < len(text) <= 20 and text.isascii() and text.isdecimal()


def shown(value: object) -> str:
    """A value in quotes, cut when it is long: for messages."""
    text = scalar_text(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
