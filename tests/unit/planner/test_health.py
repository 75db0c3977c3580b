"""Health: settings merged, verdicts, when the next probe is due."""

from __future__ import annotations

import pytest

from composer.model.container import Health
from composer.model.quantity import Duration
from composer.model.stack import Healthcheck
from composer.planner import health
from composer.planner.health import HealthSettings, HealthState

FAST = HealthSettings(argv=("true",), interval=10.0, retries=2)


@pytest.mark.parametrize(
    ("of_service", "of_image", "argv"),
    [
        (None, None, None),
        (Healthcheck(test=("CMD", "a", "b")), None, ("a", "b")),
        (Healthcheck(test=("CMD-SHELL", "a || b")), None, ("/bin/sh", "-c", "a || b")),
        (Healthcheck(test=("NONE",)), Healthcheck(test=("CMD", "x")), None),
        (Healthcheck(disabled=True), Healthcheck(test=("CMD", "x")), None),
        (Healthcheck(interval=Duration.of_seconds(3)), Healthcheck(test=("CMD", "x")), ("x",)),
        (None, Healthcheck(disabled=True), None),
    ],
)
def test_effective(
    of_service: Healthcheck | None, of_image: Healthcheck | None, argv: tuple[str, ...] | None
) -> None:
    settings = health.effective(of_service, of_image)
    assert (None if settings is None else settings.argv) == argv


def test_the_first_probe_is_at_once_and_the_next_back_off() -> None:
    delays = [health.next_delay(HealthState(), FAST, probes, 0.0) for probes in range(12)]
    assert delays[0] == 0.0
    assert delays[1:4] == [0.05, 0.1, 0.2]
    assert delays == sorted(delays)
    assert max(delays) == FAST.interval


def test_early_failures_do_not_count_later_ones_do() -> None:
    state = health.after_probe(HealthState(), FAST, False, 0.2)
    assert state == HealthState()
    state = health.after_probe(state, FAST, False, 10.5)
    assert (state.status, state.failing_streak) == (Health.STARTING, 1)
    state = health.after_probe(state, FAST, False, 20.5)
    assert state.status is Health.UNHEALTHY


def test_one_success_is_enough_and_forgives() -> None:
    state = health.after_probe(HealthState(failing_streak=1), FAST, True, 0.1)
    assert state == HealthState(status=Health.HEALTHY, has_passed=True)
    state = health.after_probe(state, FAST, False, 0.3)
    assert (state.status, state.failing_streak) == (Health.HEALTHY, 1)
    assert health.next_delay(state, FAST, 9, 1.0) == FAST.interval
    assert health.after_probe(state, FAST, False, 9.0).status is Health.UNHEALTHY
