"""What is tried again and when: tables over the pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.registry import retry
from composer.registry.retry import Patience

PATIENCE = Patience(attempts=4, connecting=2, first_delay=1.0, longest_delay=10.0, longest_wait=60.0)


@pytest.mark.parametrize(
    ("tried", "retry_after", "jitter", "expected"),
    [
        (1, None, 0.0, 0.5),
        (1, None, 1.0, 1.0),
        (2, None, 0.0, 1.0),
        (3, None, 0.0, 2.0),
        (4, None, 0.0, None),
        (5, None, 0.0, None),
        (1, 30.0, 0.5, 30.0),
        (1, 60.0, 0.5, 60.0),
        (1, 61.0, 0.5, None),
        (4, 1.0, 0.5, None),
        (1, 0.0, 0.5, 0.0),
    ],
)
def test_delays(tried: int, retry_after: float | None, jitter: float, expected: float | None) -> None:
    assert retry.delay(tried, PATIENCE, retry_after=retry_after, jitter=jitter) == expected


def test_who_was_never_reached_is_soon_given_up() -> None:
    assert retry.delay(1, PATIENCE, retry_after=None, jitter=0, is_connecting=True) == 0.5
    assert retry.delay(2, PATIENCE, retry_after=None, jitter=0, is_connecting=True) is None


@given(st.integers(1, 3), st.floats(0, 1, exclude_max=True))
def test_a_delay_never_exceeds_its_bound(tried: int, jitter: float) -> None:
    seconds = retry.delay(tried, PATIENCE, retry_after=None, jitter=jitter)
    assert seconds is not None
    assert PATIENCE.first_delay / 2 <= seconds <= PATIENCE.longest_delay


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("Thu, 01 Jan 1970 00:16:40 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:17:40 GMT", 60.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, 999999999.0),
    ],
)
def test_retry_after(text: str | None, expected: float | None) -> None:
    assert retry.seconds_of(text, now=1000.0) == expected


@given(st.text(max_size=60))
def test_retry_after_never_raises(text: str) -> None:
    seconds = retry.seconds_of(text, now=0.0)
    assert seconds is None or seconds >= 0


def test_a_server_cannot_have_us_wait_for_ever() -> None:
    waits = []
    while (seconds := retry.delay(1, PATIENCE, retry_after=25.0, jitter=0, waited=sum(waits))) is not None:
        waits.append(seconds)
    assert waits == [25.0, 25.0]
