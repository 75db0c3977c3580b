"""Scalars as Go prints them, and values that become what they mean."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.stackfile import canonical


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"), (1000.0, "1000"), (1.1, "1.1"), (-0.5, "-0.5"), (0.0, "0"), (0.0001, "0.0001"), (0.00001, "1e-05"),
        (1e6, "1e+06"), (1234567.5, "1.2345675e+06"), (123456789012345678901.0, "1.2345678901234568e+20"),
        (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (True, "true"), (False, "false"), (None, ""), (15, "15"),
    ],
)  # fmt: skip
def test_scalar_text(value: object, text: str) -> None:
    assert canonical.scalar_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive(value: float) -> None:
    assert float(canonical.scalar_text(value)) == value
