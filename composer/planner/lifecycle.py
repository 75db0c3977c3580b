"""Plans of ``start``, ``stop`` and ``restart``: existing containers, stored specifications only.

The stack file, where it is at hand, gives the order and what must be healthy or completed before
what; it changes nothing about the containers (that is what ``up`` does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.model.container import ContainerState, Observed, ObservedContainer
from composer.model.plan import AwaitCondition, Plan, StartContainer
from composer.model.stack import Condition
from composer.planner import order
from composer.planner.draft import Draft
from composer.planner.stopping import stop_dependents_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.model.quantity import Duration
    from composer.model.stack import Service, Stack

_ASKED = "it was asked for"


def plan_stop(
    stack: Stack | None, observed: Observed, services: tuple[str, ...], timeout: Duration | None
) -> Plan:
    """Stop what runs, dependents first."""
    draft = Draft()
    stop_dependents_first(draft, _services(stack), _meant(observed, services), timeout, _ASKED)
    return draft.plan()


def plan_start(stack: Stack | None, observed: Observed, services: tuple[str, ...]) -> Plan:
    """Start what does not run, each after what it depends on has reached the condition it asks for."""
    draft = Draft()
    idle = [container for container in _meant(observed, services) if not container.is_running]
    _starts(draft, _services(stack), idle, {})
    return draft.plan()


def plan_restart(
    stack: Stack | None, observed: Observed, services: tuple[str, ...], timeout: Duration | None
) -> Plan:
    """Stop, then start, every container of the services."""
    draft = Draft()
    meant = _meant(observed, services)
    known = _services(stack)
    _starts(draft, known, meant, stop_dependents_first(draft, known, meant, timeout, _ASKED))
    return draft.plan()


def _meant(observed: Observed, services: tuple[str, ...]) -> list[ObservedContainer]:
    """The containers of the services, except half made ones: those only ``up`` and ``down`` clear."""
    return [
        container
        for container in observed.containers
        if not container.spec.one_off
        and container.state is not ContainerState.BROKEN
        and (not services or container.spec.service in services)
    ]


def _starts(
    draft: Draft,
    services: Mapping[str, Service],
    containers: Sequence[ObservedContainer],
    stops: Mapping[str, int],
) -> None:
    """Start steps, dependencies first, with waits for the conditions of those started here."""
    by_service: dict[str, list[ObservedContainer]] = {}
    for container in containers:
        by_service.setdefault(container.spec.service, []).append(container)
    reached: dict[tuple[str, Condition], list[int]] = {}
    for name in order.dependencies_first(services, services.keys() | by_service.keys()):
        needed = services[name].depends_on if name in services else {}
        waits = [
            step
            for other, dependency in sorted(needed.items())
            for step in _reached(draft, by_service.get(other, ()), other, dependency.condition, reached)
        ]
        own: list[int] = []
        for container in by_service.get(name, ()):
            after = [*waits, *([stops[container.id]] if container.id in stops else [])]
            own.append(draft.add(StartContainer(name=container.name, service=name), _ASKED, after))
        reached[name, Condition.STARTED] = own or waits


def _reached(
    draft: Draft,
    containers: Sequence[ObservedContainer],
    service: str,
    condition: Condition,
    reached: dict[tuple[str, Condition], list[int]],
) -> list[int]:
    """The steps after which the started containers of a service have reached a condition."""
    started = reached.get((service, Condition.STARTED), [])
    if condition is Condition.STARTED or not containers:
        return started
    if (service, condition) not in reached:
        word = "healthy" if condition is Condition.HEALTHY else "completed"
        reached[service, condition] = [
            draft.add(
                AwaitCondition(name=container.name, service=service, condition=condition),
                f"it must be {word} first",
                [step],
            )
            for container, step in zip(containers, started, strict=True)
        ]
    return reached[service, condition]


def _services(stack: Stack | None) -> Mapping[str, Service]:
    return {} if stack is None else {**stack.services, **stack.inactive}
