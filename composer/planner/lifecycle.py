"""Plans for containers that exist: ``start``, ``stop``, ``restart``, ``pause``, ``unpause`` and ``rm``.

Stored specifications only.  The stack file, where it is at hand, gives the order and what must be
healthy or completed before what; it changes nothing about the containers (that is what ``up`` does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from composer.model.container import ContainerState, Health, Observed, ObservedContainer
from composer.model.plan import (
    AwaitCondition,
    PauseContainer,
    Plan,
    RemoveContainer,
    StartContainer,
    UnpauseContainer,
)
from composer.model.stack import Condition
from composer.planner import order
from composer.planner.draft import Draft
from composer.planner.stopping import stop_dependents_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.model.quantity import Duration
    from composer.model.stack import Service, Stack
    from composer.planner.choice import Choice

_ASKED = "it was asked for"


def plan_stop(stack: Stack | None, observed: Observed, choice: Choice, timeout: Duration | None) -> Plan:
    """Stop what runs, dependents first."""
    draft = Draft()
    stop_dependents_first(draft, _services(stack), _meant(observed, choice), timeout, _ASKED)
    return draft.plan()


def plan_start(stack: Stack | None, observed: Observed, choice: Choice, *, wait: bool = False) -> Plan:
    """Start what does not run, each after what it depends on has reached the condition it asks for.

    With ``wait`` the plan ends when every container that has a healthcheck is healthy.
    """
    draft = Draft()
    meant = _meant(observed, choice)
    started = _starts(draft, _services(stack), [one for one in meant if not one.is_running], {})
    for container in meant if wait else ():
        check = container.spec.healthcheck
        is_ready = container.is_running and container.health is Health.HEALTHY
        if check is not None and not check.disabled and not is_ready:
            operation = AwaitCondition(
                name=container.name, service=container.spec.service, condition=Condition.HEALTHY
            )
            after = [started[container.id]] if container.id in started else []
            draft.add(operation, "waiting was asked for", after)
    return draft.plan()


def plan_restart(
    stack: Stack | None,
    observed: Observed,
    choice: Choice,
    timeout: Duration | None,
    *,
    with_dependents: bool = True,
) -> Plan:
    """Stop, then start, every container that is meant.

    Services whose ``depends_on`` says ``restart: true`` follow what they depend on, if they run.
    """
    draft = Draft()
    known = _services(stack)
    meant = _meant(observed, choice)
    if with_dependents:
        meant += _followers(known, observed, meant)
    _starts(draft, known, meant, stop_dependents_first(draft, known, meant, timeout, _ASKED))
    return draft.plan()


def plan_pause(observed: Observed, choice: Choice) -> Plan:
    """Freeze what runs."""
    draft = Draft()
    for one in _meant(observed, choice):
        if one.is_running and not one.is_paused:
            draft.add(PauseContainer(id=one.id, name=one.name, service=one.spec.service), _ASKED)
    return draft.plan()


def plan_unpause(observed: Observed, choice: Choice) -> Plan:
    """Let go on what is frozen."""
    draft = Draft()
    for one in _meant(observed, choice):
        if one.is_paused:
            draft.add(UnpauseContainer(id=one.id, name=one.name, service=one.spec.service), _ASKED)
    return draft.plan()


@attrs.frozen(kw_only=True)
class RemoveOptions:
    """What ``rm`` was asked for; ``stop`` takes what runs as well, ``volumes`` anonymous ones too."""

    stop: bool = False
    volumes: bool = False
    timeout: Duration | None = None


def plan_remove(stack: Stack | None, observed: Observed, choice: Choice, options: RemoveOptions) -> Plan:
    """Remove what does not run, half made containers too; with ``stop`` everything that is meant."""
    draft = Draft()
    meant = [one for one in choice.of(observed) if options.stop or not one.may_run]
    stops = stop_dependents_first(draft, _services(stack), meant, options.timeout, _ASKED)
    for one in meant:
        operation = RemoveContainer(
            id=one.id,
            name=one.name,
            service=one.spec.service,
            with_anonymous_volumes=options.volumes,
        )
        draft.add(operation, _ASKED, [stops[one.id]] if one.id in stops else [])
    return draft.plan()


def _meant(observed: Observed, choice: Choice) -> list[ObservedContainer]:
    """The containers that are meant, except half made ones: those only ``up``, ``rm`` and ``down`` clear."""
    return [one for one in choice.of(observed) if one.state is not ContainerState.BROKEN]


def _followers(
    services: Mapping[str, Service], observed: Observed, meant: Sequence[ObservedContainer]
) -> list[ObservedContainer]:
    """The running containers of services that are restarted because a dependency is."""
    restarted = {one.spec.service for one in meant}
    found = set(restarted)
    pending = sorted(restarted)
    while pending:
        needed = pending.pop()
        for name in order.dependents_of(services, needed):
            if services[name].depends_on[needed].restart and name not in found:
                found.add(name)
                pending.append(name)
    return [
        one
        for one in observed.containers
        if one.spec.service in found - restarted and one.is_running and not one.spec.one_off
    ]


def _starts(
    draft: Draft,
    services: Mapping[str, Service],
    containers: Sequence[ObservedContainer],
    stops: Mapping[str, int],
) -> dict[str, int]:
    """Start steps by container id, dependencies first, with waits for the conditions of those started."""
    started: dict[str, int] = {}
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
            started[container.id] = own[-1]
        reached[name, Condition.STARTED] = own or waits
    return started


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
