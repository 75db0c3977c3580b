"""Moments as options name them and JSON shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.model import moment

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("1699999999.5", 1_699_999_999.5),
        ("10s", NOW - 10),
        ("1h30m", NOW - 5400),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.123456789Z", NOW + 0.123456),
        ("2023-11-14T23:13:20+01:00", NOW),
    ],
)
def test_parse(text: str, expected: float) -> None:
    assert moment.parse(text, NOW) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "soon", "-5", "2023-13-45", "10 parsecs"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError):
        moment.parse(text, NOW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, "0001-01-01T00:00:00Z"), (NOW, "2023-11-14T22:13:20Z"), (NOW + 0.5, "2023-11-14T22:13:20.5Z")],
)
def test_rfc3339(value: float, expected: str) -> None:
    assert moment.rfc3339(value) == expected


@given(st.floats(1, 4e9))
def test_what_is_shown_reads_back(value: float) -> None:
    assert moment.parse(moment.rfc3339(value), NOW) == pytest.approx(value, abs=2e-6)
