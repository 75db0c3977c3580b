"""Walks a plan with trio: one task per step, each after the steps it needs.  Decides nothing.

A failing step takes the steps that depend on it with it; independent steps finish.  During
teardown dependents go on all the same, because cleaning up must do as much as it can.  Every
failure is kept; the caller reports the first and counts the others.
"""

from __future__ import annotations

import enum
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import attrs
import trio

from composer import errors
from composer.model import events
from composer.model.plan import AwaitCondition

if TYPE_CHECKING:
    from composer.model.events import EventSink
    from composer.model.plan import Operation, Plan, Step

Perform = Callable[["Operation"], Awaitable[None]]


class OnFailure(enum.Enum):
    """What a failed step means for the steps that need it."""

    SKIP_DEPENDENTS = "skip"
    GO_ON = "go on"


class _Outcome(enum.Enum):
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@attrs.frozen(kw_only=True)
class Failure:
    """A step that failed, and why."""

    step: Step
    error: errors.ComposerError


async def run_plan(
    plan: Plan,
    perform: Perform,
    say: EventSink,
    *,
    on_failure: OnFailure = OnFailure.SKIP_DEPENDENTS,
    at_once: float = math.inf,
) -> tuple[Failure, ...]:
    """Perform every step, ``at_once`` at most at a time; return the failures in the order they happened.

    Waiting for a condition is no work: it takes nobody's place.  Cancellation stops the steps under way
    (each is atomic to it) and begins no others.
    """
    run = _Run(perform, say, on_failure, trio.CapacityLimiter(at_once))
    finished = {step.id: trio.Event() for step in plan.steps}
    async with trio.open_nursery() as nursery:
        for step in plan.steps:
            nursery.start_soon(run.perform_in_turn, step, finished, name=step.line)
    return tuple(run.failures)


class _Run:
    """What the tasks of one run share."""

    def __init__(
        self, perform: Perform, say: EventSink, on_failure: OnFailure, slots: trio.CapacityLimiter
    ) -> None:
        self._perform = perform
        self._slots = slots
        self._say = say
        self._on_failure = on_failure
        self._outcomes: dict[int, _Outcome] = {}
        self.failures: list[Failure] = []

    async def perform_in_turn(self, step: Step, finished: dict[int, trio.Event]) -> None:
        for needed in step.after:
            await finished[needed].wait()
        async with nullcontext() if isinstance(step.operation, AwaitCondition) else self._slots:
            self._outcomes[step.id] = await self._outcome_of(step)
        finished[step.id].set()

    async def _outcome_of(self, step: Step) -> _Outcome:
        stopped_by = self._stopped_by(step)
        operation = step.operation
        if stopped_by:
            text = f"not done because step #{stopped_by} failed"
            self._say(
                events.step(operation.resource, operation.action, "skipped", step_id=step.id, text=text)
            )
            return _Outcome.SKIPPED
        self._say(
            events.step(operation.resource, operation.action, "working", step_id=step.id, text=step.cause)
        )
        begun = time.monotonic()
        try:
            await self._perform(operation)
        except errors.ComposerError as error:
            self.failures.append(Failure(step=step, error=error))
            self._finish(step, "failed", begun, error.message)
            return _Outcome.FAILED
        self._finish(step, "done", begun, "")
        return _Outcome.DONE

    def _stopped_by(self, step: Step) -> int:
        """The failed step that keeps this one from being done; 0 when none does."""
        if self._on_failure is OnFailure.GO_ON:
            return 0
        return next((needed for needed in step.after if self._outcomes[needed] is not _Outcome.DONE), 0)

    def _finish(self, step: Step, status: str, begun: float, text: str) -> None:
        self._say(
            events.step(
                step.operation.resource,
                step.operation.action,
                status,
                step_id=step.id,
                text=text,
                elapsed=time.monotonic() - begun,
            )
        )
