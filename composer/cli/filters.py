"""``--filter KEY=VALUE`` as Docker reads it, for every list and prune.  Pure.

Values of one key are alternatives, different keys must all hold; labels are the exception: each of
them must hold.  ``KEY!=VALUE`` is known for labels only.  Names and ids match when equal, or when the
value, a regular expression, is found in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import attrs

from composer import errors
from composer.model import moment

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@attrs.frozen
class Filters:
    """The filters of one command line, by key; ``parse`` makes them."""

    values: Mapping[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return bool(self.values)

    def of(self, key: str) -> tuple[str, ...]:
        """The values of a key."""
        return self.values.get(key, ())

    def accept_text(self, key: str, *texts: str) -> bool:
        """Whether a value of the key equals one of the texts or is found in it; true without values."""
        wanted = self.of(key)
        return not wanted or any(_is_in(value, text) for value in wanted for text in texts)

    def accept_word(self, key: str, *words: str) -> bool:
        """Whether a value of the key is one of the words; true without values."""
        wanted = self.of(key)
        return not wanted or not frozenset(wanted).isdisjoint(words)

    def accept_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether every ``label`` is there and no ``label!`` is."""
        return all(_has_label(labels, wanted) for wanted in self.of("label")) and not any(
            _has_label(labels, wanted) for wanted in self.of("label!")
        )

    def flag(self, key: str) -> bool | None:
        """The boolean that a key was given, ``None`` without one."""
        values = self.of(key)
        if not values:
            return None
        for value in values:
            if value not in _TRUE | _FALSE:
                raise _invalid(key, value, "Write true or false.")
        is_wanted = {value in _TRUE for value in values}
        if len(is_wanted) > 1:
            raise _invalid(key, values[-1], "It cannot be both true and false.")
        return is_wanted.pop()

    def numbers(self, key: str) -> frozenset[int]:
        """The whole numbers of a key."""
        numbers = set()
        for value in self.of(key):
            if not re.fullmatch(r"[+-]?\d{1,9}", value):
                raise _invalid(key, value, "Write a whole number.")
            numbers.add(int(value))
        return frozenset(numbers)

    def moment(self, key: str, now: float) -> float | None:
        """The Unix time that a key names (``24h`` before now, a date, seconds since 1970)."""
        values = self.of(key)
        if not values:
            return None
        if len(values) > 1:
            message = f"filter {key} can be given once"
            raise errors.UsageError(message)
        try:
            return moment.parse(values[0], now)
        except ValueError as error:
            raise _invalid(key, values[0], "Write 24h, 2026-01-31T12:00:00, or Unix seconds.") from error


def parse(texts: Iterable[str], known: Collection[str]) -> Filters:
    """Read ``KEY=VALUE`` options; raises ``UsageError`` for a key that the command does not know."""
    values: dict[str, list[str]] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not separator:
            message = f"bad format of filter {text!r}"
            raise errors.UsageError(message, hint="Write KEY=VALUE.")
        plain = key.removesuffix("!")
        if plain not in known or plain not in (key, "label"):
            message = f"invalid filter {key!r}"
            raise errors.UsageError(message, hint=f"There are: {', '.join(sorted(known))}.")
        values.setdefault(key, []).append(value)
    return Filters({key: tuple(dict.fromkeys(items)) for key, items in values.items()})


def _is_in(value: str, text: str) -> bool:
    if value == text:
        return True
    try:
        return re.search(value, text) is not None
    except re.error as error:
        message = f"invalid filter value {value!r}: {error}"
        raise errors.UsageError(message) from error


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)


def _invalid(key: str, value: str, hint: str) -> errors.UsageError:
    return errors.UsageError(f"invalid value of filter {key}: {value!r}", hint=hint)
