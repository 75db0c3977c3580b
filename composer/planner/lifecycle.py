"""Plans of ``start``, ``stop`` and ``restart``: existing containers, stored specifications only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.model.container import Observed, ObservedContainer
from composer.model.plan import Plan, StartContainer, StopContainer
from composer.planner import order
from composer.planner.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.model.quantity import Duration
    from composer.model.stack import Service, Stack

_ASKED = "it was asked for"


def plan_stop(
    stack: Stack | None, observed: Observed, services: tuple[str, ...], timeout: Duration | None
) -> Plan:
    """Stop what runs, dependents first."""
    draft = Draft()
    _stops(draft, stack, _meant(observed, services), timeout)
    return draft.plan()


def plan_start(stack: Stack | None, observed: Observed, services: tuple[str, ...]) -> Plan:
    """Start what does not run, each after the start of what it depends on."""
    draft = Draft()
    idle = [container for container in _meant(observed, services) if not container.is_running]
    _starts(draft, stack, idle, {})
    return draft.plan()


def plan_restart(
    stack: Stack | None, observed: Observed, services: tuple[str, ...], timeout: Duration | None
) -> Plan:
    """Stop, then start, every container of the services."""
    draft = Draft()
    meant = _meant(observed, services)
    _starts(draft, stack, meant, _stops(draft, stack, meant, timeout))
    return draft.plan()


def _meant(observed: Observed, services: tuple[str, ...]) -> list[ObservedContainer]:
    return [
        container
        for container in observed.containers
        if not container.spec.one_off and (not services or container.spec.service in services)
    ]


def _stops(
    draft: Draft, stack: Stack | None, containers: list[ObservedContainer], timeout: Duration | None
) -> dict[str, int]:
    """Stop steps by container id."""
    known = _services(stack)
    stops: dict[str, int] = {}
    by_service: dict[str, list[int]] = {}
    names = {container.spec.service for container in containers}
    for name in reversed(order.dependencies_first(known, names)):
        waits = [step for other in order.dependents_of(known, name) for step in by_service.get(other, ())]
        for container in containers:
            if container.spec.service != name or not container.may_run:
                continue
            operation = StopContainer(id=container.id, name=container.name, service=name, grace=timeout)
            stops[container.id] = draft.add(operation, _ASKED, waits)
            by_service.setdefault(name, []).append(stops[container.id])
    return stops


def _starts(
    draft: Draft, stack: Stack | None, containers: list[ObservedContainer], stops: dict[str, int]
) -> None:
    known = _services(stack)
    by_service: dict[str, list[int]] = {}
    names = {container.spec.service for container in containers}
    for name in order.dependencies_first(known, names):
        needed = known[name].depends_on if name in known else ()
        waits = [step for other in needed for step in by_service.get(other, ())]
        for container in containers:
            if container.spec.service == name:
                after = [*waits, *([stops[container.id]] if container.id in stops else [])]
                step = draft.add(StartContainer(name=container.name, service=name), _ASKED, after)
                by_service.setdefault(name, []).append(step)


def _services(stack: Stack | None) -> Mapping[str, Service]:
    return {} if stack is None else {**stack.services, **stack.inactive}
