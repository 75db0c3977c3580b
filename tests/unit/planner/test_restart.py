"""The restart policy as a table."""

from __future__ import annotations

import pytest

from composer.model.container import Wish
from composer.model.quantity import Duration
from composer.model.stack import RestartKind, RestartPolicy
from composer.planner.restart import Leave, Restart, count_before, decide

ALWAYS = RestartPolicy(kind=RestartKind.ALWAYS)
FAILURE = RestartPolicy(kind=RestartKind.ON_FAILURE)
TWICE = RestartPolicy(kind=RestartKind.ON_FAILURE, max_retries=2)
SLOWLY = RestartPolicy(
    kind=RestartKind.ON_FAILURE, max_retries=2, delay=Duration.parse("7s"), window=Duration.parse("5s")
)


@pytest.mark.parametrize(
    ("policy", "exit_code", "wish", "count", "ran_for", "before", "expected"),
    [
        (ALWAYS, 0, Wish.RUNNING, 0, 1.0, 0.0, Restart(0.1)),
        (ALWAYS, 0, Wish.RUNNING, 3, 1.0, 0.4, Restart(0.8)),
        (ALWAYS, 0, Wish.RUNNING, 30, 1.0, 50.0, Restart(60.0)),
        (ALWAYS, 0, Wish.RUNNING, 30, 11.0, 50.0, Restart(0.1)),
        (ALWAYS, 0, Wish.STOPPED, 0, 1.0, 0.0, Leave("it was stopped")),
        (RestartPolicy(), 1, Wish.RUNNING, 0, 1.0, 0.0, Leave("its policy is no")),
        (FAILURE, 0, Wish.RUNNING, 0, 1.0, 0.0, Leave("it succeeded")),
        (FAILURE, 3, Wish.RUNNING, 99, 1.0, 0.0, Restart(0.1)),
        (TWICE, 3, Wish.RUNNING, 1, 1.0, 0.1, Restart(0.2)),
        (TWICE, 3, Wish.RUNNING, 2, 1.0, 0.2, Leave("it failed 2 times after its first try")),
        (SLOWLY, 3, Wish.RUNNING, 1, 1.0, 0.0, Restart(7.0)),
        (SLOWLY, 3, Wish.RUNNING, 1, 99.0, 7.0, Restart(7.0)),
        (SLOWLY, 3, Wish.RUNNING, 2, 4.9, 7.0, Leave("it failed 2 times after its first try")),
        (SLOWLY, 3, Wish.RUNNING, 2, 5.0, 7.0, Restart(7.0)),  # the window: it had started well
    ],
)
def test_decide(  # noqa: PLR0917 -- one column of the table each
    policy: RestartPolicy,
    exit_code: int,
    wish: Wish,
    count: int,
    ran_for: float,
    before: float,
    expected: object,
) -> None:
    decision = decide(
        policy, exit_code=exit_code, wish=wish, restart_count=count, ran_for=ran_for, previous_delay=before
    )
    assert decision == expected


def test_tries_are_counted_anew_after_a_good_start() -> None:
    assert count_before(SLOWLY, restart_count=2, ran_for=1.0) == 2
    assert count_before(SLOWLY, restart_count=2, ran_for=6.0) == 0
    assert count_before(TWICE, restart_count=2, ran_for=600.0) == 2
