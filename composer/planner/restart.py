"""Whether a container that ended is started again, and when (``restart``, moby's restart manager).

The delay doubles from 100 ms to one minute and begins anew after a run of at least ten seconds.
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
        if policy.max_retries and restart_count >= policy.max_retries:
            return Leave(f"it failed {policy.max_retries} times after its first try")
    if ran_for >= LONG_RUN or previous_delay <= 0:
        return Restart(FIRST_DELAY)
    return Restart(min(previous_delay * 2, LONGEST_DELAY))
