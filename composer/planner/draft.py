"""A plan while it is being made: steps get their numbers in the order they are thought of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from composer.model.plan import Plan, Step

if TYPE_CHECKING:
    from composer.model.plan import Operation


class Draft:
    """Collects steps; every step may only need steps that were added before, so no cycle can arise."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._warnings: list[str] = []
        # Bit n of an entry: the step waits for step n, be it directly or through others.
        self._waits: list[int] = [0]

    def add(self, operation: Operation, cause: str, after: Iterable[int] = ()) -> int:
        """Add a step; returns its id.  What ``after`` says twice (#1, and #2 that needs #1) is said once."""
        needed = set(after)
        through = 0
        for step in needed:
            through |= self._waits[step]
        direct = tuple(sorted(step for step in needed if not through >> step & 1))
        made = Step(id=len(self._steps) + 1, operation=operation, cause=cause, after=direct)
        self._steps.append(made)
        self._waits.append(through | sum(1 << needs for needs in direct))
        return made.id

    def warn(self, sentence: str) -> None:
        """Something the user should know that is no step."""
        self._warnings.append(sentence)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What was added so far."""
        return tuple(step.operation for step in self._steps)

    def plan(self, *, is_final: bool = True) -> Plan:
        """The finished plan."""
        return Plan(steps=tuple(self._steps), warnings=tuple(self._warnings), is_final=is_final)
