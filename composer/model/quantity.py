"""Durations and byte sizes: values with a unit, parsed from and printed in Compose's notation.

Sources: Compose Specification 1.0, "Specifying durations" and "Specifying byte values"; durations
print as Go's ``time.Duration.String`` does, because that is what ``docker compose config`` shows.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Self

_DURATION_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h|d|w)")
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_LARGEST_DURATION = 2**63 - 1


class Duration(int):
    """A length of time in whole nanoseconds."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1h30m``, ``10s``, ``1.5s``, ``0``; raise ``ValueError`` for anything else."""
        rest = text.strip()
        if rest == "0":
            return cls(0)
        total = Decimal(0)
        position = 0
        while position < len(rest):
            match = _DURATION_PART.match(rest, position)
            if match is None:
                break
            total += Decimal(match[1]) * _DURATION_UNITS[match[2]]
            position = match.end()
        if not rest or position != len(rest):
            message = f"invalid duration {text!r}"
            raise ValueError(message)
        if total > _LARGEST_DURATION:
            message = f"duration {text!r} is too large"
            raise ValueError(message)
        return cls(int(total))

    @classmethod
    def of_seconds(cls, seconds: float) -> Self:
        """The duration of so many seconds."""
        return cls(round(seconds * 1_000_000_000))

    @property
    def seconds(self) -> float:
        """The length in seconds, for clocks and deadlines."""
        return int(self) / 1_000_000_000

    def __str__(self) -> str:
        """Print as Go does: ``1m30s``, ``1.5s``, ``100µs``, ``0s``."""
        total = int(self)
        if total == 0:
            return "0s"
        for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
            if total < size * 1000 and size < 1_000_000_000:
                return f"{_decimal(total, size)}{unit}"
        minutes, rest = divmod(total, 60_000_000_000)
        text = f"{_decimal(rest, 1_000_000_000)}s"
        if minutes:
            hours, minutes = divmod(minutes, 60)
            text = f"{minutes}m{text}"
            if hours:
                text = f"{hours}h{text}"
        return text

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


class ByteSize(int):
    """A size in bytes; ``-1`` means unlimited where the attribute allows it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``64m``, ``1.5g``, ``512``, ``1kb``; units are powers of 1024."""
        stripped = text.strip()
        if stripped == "-1":
            return cls(-1)
        match = _BYTES.fullmatch(stripped)
        if match is None:
            message = f"invalid size {text!r}"
            raise ValueError(message)
        power = "bkmgtp".index(match[2].lower() or "b")
        size = int(Decimal(match[1]) * 1024**power)
        if size > _LARGEST_DURATION:
            message = f"size {text!r} is too large"
            raise ValueError(message)
        return cls(size)

    def __str__(self) -> str:
        return int.__repr__(self)

    def __repr__(self) -> str:
        return f"ByteSize({int(self)})"


def _decimal(value: int, size: int) -> str:
    """``value / size`` without trailing zeros."""
    whole, rest = divmod(value, size)
    if rest == 0:
        return str(whole)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
