"""Stopping containers dependents first: those that nothing waits for stop at the same time.

A service without containers is no gap: what it depends on still stops after what depends on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.model.container import ContainerState
from composer.model.plan import StopContainer
from composer.planner import order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.model.container import ObservedContainer
    from composer.model.quantity import Duration
    from composer.model.stack import Service
    from composer.planner.draft import Draft


def stop_dependents_first(
    draft: Draft,
    services: Mapping[str, Service],
    containers: Sequence[ObservedContainer],
    timeout: Duration | None,
    cause: str,
) -> dict[str, int]:
    """Add a stop step for each container that may run; returns the steps by container id.

    Services that ``services`` does not know (no file, orphans) depend on nothing: all at once.
    """
    by_service: dict[str, list[ObservedContainer]] = {}
    for container in containers:
        if container.may_run and container.state is not ContainerState.BROKEN:
            by_service.setdefault(container.spec.service, []).append(container)
    stops: dict[str, int] = {}
    last_of: dict[str, list[int]] = {}
    for name in reversed(order.dependencies_first(services, services.keys() | by_service.keys())):
        waits = [step for other in order.dependents_of(services, name) for step in last_of[other]]
        own: list[int] = []
        for container in by_service.get(name, ()):
            operation = StopContainer(id=container.id, name=container.name, service=name, grace=timeout)
            stops[container.id] = draft.add(operation, cause, waits)
            own.append(stops[container.id])
        last_of[name] = own or waits
    return stops
