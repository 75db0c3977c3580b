"""Pull policies as they are written."""

from __future__ import annotations

import pytest

from composer.model import pulling
from composer.model.pulling import PullWhen


@pytest.mark.parametrize(
    ("text", "when", "hours"),
    [
        (None, PullWhen.MISSING, 0),
        ("", PullWhen.MISSING, 0),
        ("missing", PullWhen.MISSING, 0),
        ("if_not_present", PullWhen.MISSING, 0),
        ("always", PullWhen.ALWAYS, 0),
        ("never", PullWhen.NEVER, 0),
        ("build", PullWhen.BUILD, 0),
        ("daily", PullWhen.REFRESH, 24),
        ("weekly", PullWhen.REFRESH, 168),
        ("every_12h", PullWhen.REFRESH, 12),
        ("every_1w2d", PullWhen.REFRESH, 216),
    ],
)
def test_policies(text: str | None, when: PullWhen, hours: int) -> None:
    policy = pulling.parse(text)
    assert (policy.when, policy.interval.seconds / 3600) == (when, hours)


@pytest.mark.parametrize("text", ["sometimes", "every_", "every_x", "ALWAYS", "every_1y"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        pulling.parse(text)
