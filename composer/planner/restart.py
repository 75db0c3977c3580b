"""Whether a container that ended is started again, and when (``restart``, moby's restart manager).

The delay doubles from 100 ms to one minute and begins anew after a run of at least ten seconds, unless the
policy names one.
"""

from __future__ import annotations

import attrs

from composer.model.container import Wish
from composer.model.stack import RestartKind, RestartPolicy

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
LONG_RUN = 10.0


@attrs.frozen
class Restart:
    """Start it again after ``delay`` seconds."""

    delay: float


@attrs.frozen
class Leave:
    """Leave it as it is."""

    reason: str


def decide(
    policy: RestartPolicy,
    *,
    exit_code: int,
    wish: Wish,
    restart_count: int,
    ran_for: float,
    previous_delay: float,
) -> Restart | Leave:
    """The policy's answer to one end.  ``ran_for`` and ``previous_delay`` are seconds."""
    if wish is not Wish.RUNNING:
        return Leave("it was stopped")
    if policy.kind is RestartKind.NO:
        return Leave("its policy is no")
    if policy.kind is RestartKind.ON_FAILURE:
        if exit_code == 0:
            return Leave("it succeeded")
        tries = count_before(policy, restart_count=restart_count, ran_for=ran_for)
        if policy.max_retries and tries >= policy.max_retries:
            return Leave(f"it failed {policy.max_retries} times after its first try")
    if policy.delay is not None:
        return Restart(policy.delay.seconds)
    if ran_for >= LONG_RUN or previous_delay <= 0:
        return Restart(FIRST_DELAY)
    return Restart(min(previous_delay * 2, LONGEST_DELAY))


def count_before(policy: RestartPolicy, *, restart_count: int, ran_for: float) -> int:
    """How many restarts count as failed tries so far."""
    return 0 if _started_well(policy, ran_for) else restart_count


def _started_well(policy: RestartPolicy, ran_for: float) -> bool:
    return policy.window is not None and ran_for >= policy.window.seconds
