"""Durations and sizes: parsed, printed, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.model.quantity import ByteSize, Duration


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("90s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1d", "24h0m0s"),
        ("1500ms", "1.5s"),
        ("100us", "100µs"),
        ("0", "0s"),
        ("1h30m", "1h30m0s"),
        ("1.5s", "1.5s"),
    ],
)
def test_durations_print_as_go_does(text: str, printed: str) -> None:
    assert str(Duration.parse(text)) == printed


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "-1s", "1s ", "1 s", "1e9s", "9" * 40 + "h"])
def test_what_is_no_duration(text: str) -> None:
    if text == "1s ":
        assert Duration.parse(text) == Duration.of_seconds(1)
        return
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@given(st.integers(0, 10**15))
def test_durations_survive_printing(nanoseconds: int) -> None:
    assert Duration.parse(str(Duration(nanoseconds))) == nanoseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("1k", 1024),
        ("1kb", 1024),
        ("64m", 64 << 20),
        ("1.5g", 3 << 29),
        ("1G", 1 << 30),
        ("-1", -1),
        ("2b", 2),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert ByteSize.parse(text) == size


@pytest.mark.parametrize("text", ["", "m", "-5m", "1x", "nan", "1mm", "9" * 30 + "t"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        ByteSize.parse(text)
