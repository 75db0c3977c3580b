"""The plan of ``down``: everything that was ever recorded of the stack goes, dependents first.

Docker Compose leaves containers of inactive profiles, one-offs and orphans behind and then fails
to remove the network they use; here the records decide, so ``down`` always ends clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from composer.model.plan import Plan, RemoveContainer, RemoveImage, RemoveNetwork, RemoveVolume
from composer.model.quantity import Duration
from composer.planner import desired
from composer.planner.draft import Draft
from composer.planner.stopping import stop_dependents_first

if TYPE_CHECKING:
    from composer.model.container import Observed
    from composer.model.stack import Stack

CAUSE = "the stack is taken down"


@attrs.frozen(kw_only=True)
class DownOptions:
    """What ``down`` was asked for; ``images`` is ``local`` (built, unnamed), ``all`` or ``None``.

    ``remove_orphans`` is accepted for Docker Compose's sake: orphans go in any case.
    """

    volumes: bool = False
    remove_orphans: bool = False
    images: str | None = None
    timeout: Duration | None = None
    services: tuple[str, ...] = ()


def plan_down(stack: Stack | None, observed: Observed, options: DownOptions) -> Plan:
    """Stop dependents first, remove, then networks, volumes and images.

    ``stack`` gives only the order and the images; without it everything stops at once.  With
    ``options.services`` only their containers go.
    """
    draft = Draft()
    services = {**stack.services, **stack.inactive} if stack else {}
    doomed = [
        container
        for container in observed.containers
        if not options.services or container.spec.service in options.services
    ]
    stops = stop_dependents_first(draft, services, doomed, options.timeout, CAUSE)
    removals = [
        draft.add(
            RemoveContainer(id=container.id, name=container.name, service=container.spec.service),
            CAUSE,
            [stops[container.id]] if container.id in stops else [],
        )
        for container in doomed
    ]
    if not options.services:
        # Networks need only that nobody is on them any more: they go while directories are deleted.
        _plan_resources(draft, observed, options, list(stops.values()), removals)
        _plan_images(draft, stack, observed, options, removals)
    return draft.plan()


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
    meant = {
        desired.image_reference(stack, service)
        for service in (*stack.services.values(), *stack.inactive.values())
        if options.images == "all" or (service.build is not None and service.image is None)
    }
    for reference in sorted(meant & observed.images.keys()):
        draft.add(RemoveImage(image=reference), "its removal was asked for", after)
