"""What becomes of every container, before any step is thought of: kept, started, made again, removed.

Deciding everything first lets the steps be laid out in the order that the world needs (whoever gives
up a port goes before whoever takes it) and lets refusals come before anything changes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from composer import errors
from composer.model.container import (
    ContainerSpec,
    ContainerState,
    Observed,
    ObservedContainer,
    Wish,
)
from composer.model.stack import RestartKind, Service, Stack
from composer.planner import desired, difference, order


class Verdict(enum.Enum):
    """What happens to one desired container."""

    KEEP = "keep"
    START = "start"
    RESTART = "restart"
    RECREATE = "recreate"
    CREATE = "create"


@attrs.frozen(kw_only=True)
class Fate:
    """One desired container, the one that exists in its place, and what happens.

    ``update`` is the cause of a change of limits in place, "" when there is none.
    """

    service: Service
    spec: ContainerSpec
    existing: ObservedContainer | None
    verdict: Verdict
    cause: str = ""
    update: str = ""

    @property
    def is_restarted(self) -> bool:
        """Whether those who depend on it with ``restart: true`` must be restarted as well."""
        return self.verdict in {Verdict.RESTART, Verdict.RECREATE}

    @property
    def is_made(self) -> bool:
        """Whether a container is made, so that its image is needed."""
        return self.verdict in {Verdict.CREATE, Verdict.RECREATE}


@attrs.frozen(kw_only=True)
class Removal:
    """A container that goes and is not made again under its id."""

    container: ObservedContainer
    cause: str


@attrs.frozen(kw_only=True)
class Wanted:
    """What bears on the decision besides the stack and what exists.

    ``selected`` are the services that are brought up, ``recreated`` those of them whose containers are
    made again in any case; with ``no_recreate`` no change is a reason to.
    """

    selected: frozenset[str]
    recreated: frozenset[str] = frozenset()
    no_recreate: bool = False
    scale: Mapping[str, int] = attrs.field(factory=dict)
    replaced_networks: Mapping[str, str] = attrs.field(factory=dict)
    """Names of networks that are removed and made again, each with what changed."""


def fates_of(
    stack: Stack, observed: Observed, wanted: Wanted
) -> tuple[dict[str, tuple[Fate, ...]], tuple[Removal, ...]]:
    """The fates by service, dependencies first, and what is too many of the selected services."""
    fates: dict[str, tuple[Fate, ...]] = {}
    surplus: list[Removal] = []
    for name in order.dependencies_first(stack.services, wanted.selected):
        service = stack.services[name]
        count = wanted.scale.get(name, service.replicas)
        kept, removals = existing_of(observed, name, count)
        surplus += removals
        restarted = next((needed for needed in _restarting(service) if _any_restarted(fates, needed)), "")
        fates[name] = tuple(
            _fate_of(
                service,
                desired.container_spec(stack, service, number, observed.images),
                kept.get(number),
                wanted,
                restarted_dependency=restarted,
            )
            for number in range(1, count + 1)
        )
    return fates, tuple(surplus)


def existing_of(
    observed: Observed, service: str, count: int
) -> tuple[dict[int, ObservedContainer], list[Removal]]:
    """The newest whole container of each number up to ``count``, and those that are too many."""
    kept: dict[int, ObservedContainer] = {}
    surplus: list[Removal] = []
    for container in observed.containers:
        if container.spec.service != service or container.spec.one_off:
            continue
        number = container.spec.number
        if container.state is ContainerState.BROKEN:
            surplus.append(Removal(container=container, cause="a former run left it half made"))
        elif number > count:
            surplus.append(Removal(container=container, cause=f"the service is scaled to {count}"))
        else:
            older = kept.get(number)
            if older is not None:
                surplus.append(Removal(container=older, cause="a newer container took its place"))
            kept[number] = container
    return kept, surplus


def orphans_of(stack: Stack, observed: Observed) -> tuple[Removal, ...]:
    """Containers of services that the file does not know at all; one-offs are nobody's orphans."""
    known = stack.services.keys() | stack.inactive.keys()
    return tuple(
        Removal(container=container, cause=f"the stack has no service {container.spec.service}")
        for container in observed.containers
        if container.spec.service not in known and not container.spec.one_off
    )


def refuse_occupied(
    observed: Observed, replaced: Mapping[str, str], leaving: frozenset[str], selected: frozenset[str]
) -> None:
    """Raise ``ConflictError`` when a network cannot be replaced because somebody else runs on it.

    ``leaving`` are ids of containers that go anyway.  One-offs, orphans and services of inactive
    profiles are not ours to end here; what does not run gets a new address when it starts.
    """
    for container in observed.containers:
        is_ours = container.spec.service in selected and not container.spec.one_off
        if is_ours or container.id in leaving or not container.may_run:
            continue
        for network in sorted(container.spec.networks.keys() & replaced.keys()):
            message = (
                f"network {network} must be made again ({replaced[network]}), "
                f"but {container.name} runs on it and is not part of this `up`"
            )
            raise errors.ConflictError(message, hint=f"End {container.name} first, or run `composer down`.")


def _fate_of(
    service: Service,
    spec: ContainerSpec,
    existing: ObservedContainer | None,
    wanted: Wanted,
    *,
    restarted_dependency: str,
) -> Fate:
    def fate(verdict: Verdict, cause: str = "", update: str = "") -> Fate:
        return Fate(
            service=service, spec=spec, existing=existing, verdict=verdict, cause=cause, update=update
        )

    if existing is None:
        return fate(Verdict.CREATE, f"service {service.name} has no container {spec.number}")
    for network in sorted(existing.spec.networks):
        if network in wanted.replaced_networks:
            cause = f"network {network} is replaced: {wanted.replaced_networks[network]}"
            return fate(Verdict.RECREATE, cause)
    if service.name in wanted.recreated:
        return fate(Verdict.RECREATE, "recreation was asked for")
    changes = () if wanted.no_recreate else difference.differences(existing.spec, spec)
    is_update = existing.is_running and all(change.field == difference.LIMITS for change in changes)
    if changes and not is_update:
        return fate(Verdict.RECREATE, difference.cause_of(changes))
    update = difference.cause_of(changes)
    if existing.is_running and not existing.is_monitored:
        return fate(Verdict.RESTART, "its monitor is gone", update)
    if existing.is_running and restarted_dependency:
        return fate(Verdict.RESTART, f"{restarted_dependency}, which it depends on, is restarted", update)
    if existing.is_running:
        return fate(Verdict.KEEP, update=update)
    cause = start_cause(existing)
    return fate(Verdict.START if cause else Verdict.KEEP, cause)


def start_cause(container: ObservedContainer) -> str:
    """Why a container that does not run must be started; "" when it has done its work (decision 0006)."""
    if container.state is ContainerState.CREATED:
        return "it was created but never started"
    if container.wish is Wish.STOPPED:
        return "it was stopped"
    if container.exit_code == 0 and container.spec.restart.kind in {RestartKind.NO, RestartKind.ON_FAILURE}:
        return ""
    return f"it exited with {container.exit_code}"


def _restarting(service: Service) -> tuple[str, ...]:
    """The dependencies whose restart the service follows."""
    return tuple(sorted(name for name, dependency in service.depends_on.items() if dependency.restart))


def _any_restarted(fates: Mapping[str, tuple[Fate, ...]], service: str) -> bool:
    return any(fate.is_restarted for fate in fates.get(service, ()))
