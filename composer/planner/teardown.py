"""The plan of ``down``: everything that was ever recorded of the stack goes, dependents first.

Docker Compose leaves containers of inactive profiles, one-offs and orphans behind and then fails
to remove the network they use; here the records decide, so ``down`` always ends clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from composer.model.container import ContainerState, Observed, ObservedContainer
from composer.model.plan import (
    Plan,
    RemoveContainer,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    StopContainer,
)
from composer.model.quantity import Duration
from composer.planner import desired, order
from composer.planner.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.model.stack import Service, Stack

CAUSE = "the stack is taken down"


@attrs.frozen(kw_only=True)
class DownOptions:
    """What ``down`` was asked for; ``images`` is ``local`` (built, unnamed), ``all`` or ``None``."""

    volumes: bool = False
    remove_orphans: bool = False
    images: str | None = None
    timeout: Duration | None = None
    services: tuple[str, ...] = ()


def plan_down(stack: Stack | None, observed: Observed, options: DownOptions) -> Plan:
    """Stop by level, remove, then networks, volumes and images.  ``stack`` only gives the order."""
    draft = Draft()
    services: Mapping[str, Service] = {**stack.services, **stack.inactive} if stack else {}
    doomed = [
        container
        for container in observed.containers
        if not options.services or container.spec.service in options.services
    ]
    stops: dict[str, list[int]] = {}
    removals: list[int] = []
    names = {container.spec.service for container in doomed}
    for name in reversed(order.dependencies_first(services, names)):
        waits = [step for other in order.dependents_of(services, name) for step in stops.get(other, ())]
        members = [container for container in doomed if container.spec.service == name]
        removals += [_remove(draft, member, options.timeout, waits, stops) for member in members]
    if not options.services:
        # Networks need only that nobody is on them any more: they go while directories are deleted.
        stopped = [step for steps in stops.values() for step in steps]
        _plan_resources(draft, observed, options, stopped, removals)
        _plan_images(draft, stack, observed, options, removals)
    return draft.plan()


def _remove(
    draft: Draft,
    container: ObservedContainer,
    timeout: Duration | None,
    waits: list[int],
    stops: dict[str, list[int]],
) -> int:
    after = list(waits)
    service = container.spec.service
    if container.may_run and container.state is not ContainerState.BROKEN:
        operation = StopContainer(id=container.id, name=container.name, service=service, grace=timeout)
        stop = draft.add(operation, CAUSE, waits)
        stops.setdefault(service, []).append(stop)
        after = [stop]
    return draft.add(RemoveContainer(id=container.id, name=container.name, service=service), CAUSE, after)


def _plan_resources(
    draft: Draft, observed: Observed, options: DownOptions, stopped: list[int], removed: list[int]
) -> None:
    for name in sorted(observed.networks):
        draft.add(RemoveNetwork(name=name), CAUSE, stopped)
    if options.volumes:
        for name, volume in sorted(observed.volumes.items()):
            if volume.spec.key:
                draft.add(RemoveVolume(name=name), "its removal was asked for", removed)


def _plan_images(
    draft: Draft, stack: Stack | None, observed: Observed, options: DownOptions, after: list[int]
) -> None:
    if options.images is None or stack is None:
        return
    for service in stack.services.values():
        reference = desired.image_reference(stack, service)
        is_meant = options.images == "all" or (service.build is not None and service.image is None)
        if is_meant and reference in observed.images:
            draft.add(RemoveImage(image=reference), "its removal was asked for", after)
