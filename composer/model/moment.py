"""Points in time as Docker's options name them and its JSON shows them.  Unix seconds inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from composer.model.quantity import Duration

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UNITS = (
    ("year", 365 * 86400),
    ("month", 30 * 86400),
    ("week", 7 * 86400),
    ("day", 86400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)
_FRACTION = re.compile(r"(\.\d{6})\d+")


def parse(text: str, now: float) -> float:
    """Read ``24h`` (so long before ``now``), ``2026-01-31T12:00:00``, or seconds since 1970.

    A date without a zone is in the local one.  Raises ``ValueError`` for anything else.
    """
    if _SECONDS.fullmatch(text):
        return float(text)
    if _DATE.match(text):
        # Python reads microseconds, Docker prints nanoseconds.
        return datetime.fromisoformat(_FRACTION.sub(r"\1", text)).timestamp()
    return now - Duration.parse(text).seconds


def rfc3339(moment: float) -> str:
    """As Docker's JSON: UTC with as many digits as are needed; the year 1 stands for "never"."""
    if moment <= 0:
        return "0001-01-01T00:00:00Z"
    seconds, rest = divmod(round(moment * 1_000_000_000), 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def human_span(seconds: float) -> str:
    """A length of time in one unit, as Docker words it: ``Less than a second``, ``2 hours``."""
    if seconds < 1:
        return "Less than a second"
    for unit, size in _UNITS:
        count = int(seconds // size)
        if count and (count > 1 or size <= 1 or unit in {"minute", "hour"}):
            if count == 1 and unit == "minute":
                return "About a minute"
            if count == 1 and unit == "hour":
                return "About an hour"
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "1 second"
