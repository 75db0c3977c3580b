"""The probe state machine: settings, verdicts and when to probe next.

As Docker's, with one deviation (decision 0005): the first probe runs at once and the next ones
back off quickly to ``interval``, so that a service which is healthy early is known to be.  Failures
of these early probes, which Docker would not have made, never count against the container.
"""

from __future__ import annotations

import attrs

from composer.model.container import Health
from composer.model.stack import Healthcheck

DEFAULT_INTERVAL = 30.0
DEFAULT_TIMEOUT = 30.0
DEFAULT_RETRIES = 3
DEFAULT_START_INTERVAL = 5.0
FIRST_PAUSE = 0.05


@attrs.frozen(kw_only=True)
class HealthSettings:
    """A healthcheck with everything settled; times in seconds."""

    argv: tuple[str, ...]
    interval: float = DEFAULT_INTERVAL
    timeout: float = DEFAULT_TIMEOUT
    retries: int = DEFAULT_RETRIES
    start_period: float = 0.0
    start_interval: float = DEFAULT_START_INTERVAL


@attrs.frozen(kw_only=True)
class HealthState:
    """The verdict so far.  ``has_passed`` ends the grace of the start."""

    status: Health = Health.STARTING
    failing_streak: int = 0
    has_passed: bool = False


def effective(of_service: Healthcheck | None, of_image: Healthcheck | None) -> HealthSettings | None:
    """The service's healthcheck over the image's, attribute by attribute; ``None`` when there is none."""
    if of_service is not None and of_service.disabled:
        return None
    if of_service is None and (of_image is None or of_image.disabled):
        return None
    checks = [check for check in (of_service, of_image) if check is not None and not check.disabled]
    argv = _argv(next((check.test for check in checks if check.test), None))
    if argv is None:
        return None

    def first(name: str, default: float) -> float:
        for check in checks:
            value = getattr(check, name)
            if value:
                return float(value.seconds)
        return default

    retries = next((check.retries for check in checks if check.retries), DEFAULT_RETRIES)
    return HealthSettings(
        argv=argv,
        interval=first("interval", DEFAULT_INTERVAL),
        timeout=first("timeout", DEFAULT_TIMEOUT),
        retries=retries,
        start_period=first("start_period", 0.0),
        start_interval=first("start_interval", DEFAULT_START_INTERVAL),
    )


def _argv(test: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if not test or test[0] == "NONE":
        return None
    if test[0] == "CMD-SHELL":
        return ("/bin/sh", "-c", test[1]) if len(test) > 1 else None
    return test[1:] if test[0] == "CMD" else test


def initial(status: Health) -> HealthState:
    """The state to begin with: ``STARTING``, or what a former supervisor had found."""
    is_known = status in (Health.HEALTHY, Health.UNHEALTHY)
    return HealthState(status=status if is_known else Health.STARTING, has_passed=status is Health.HEALTHY)


def after_probe(
    state: HealthState,
    settings: HealthSettings,
    passed: bool,  # noqa: FBT001 -- the one fact a probe gives
    since_start: float,
) -> HealthState:
    """The state after one probe that ended ``since_start`` seconds after the container's start."""
    if passed:
        return HealthState(status=Health.HEALTHY, has_passed=True)
    if not state.has_passed and since_start < max(settings.start_period, settings.interval):
        return state
    streak = state.failing_streak + 1
    status = Health.UNHEALTHY if streak >= settings.retries else state.status
    return attrs.evolve(state, failing_streak=streak, status=status)


def next_delay(state: HealthState, settings: HealthSettings, probes: int, since_start: float) -> float:
    """Seconds until the next probe, when ``probes`` were made."""
    if probes == 0 and not state.has_passed:
        return 0.0
    if state.has_passed or state.failing_streak:
        return settings.interval
    slow = settings.start_interval if since_start < settings.start_period else settings.interval
    return min(slow, settings.interval, FIRST_PAUSE * float(2 ** min(probes - 1, 20)))
