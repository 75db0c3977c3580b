"""Takes one snapshot of everything that exists of a stack: kernel first, records for the rest.

Nothing is decided here.  A record says what a container is; the runtime says whether its first
process lives (pid, start time and boot id together), the network driver which links exist.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from composer.model.container import (
    ContainerState,
    Health,
    Observed,
    ObservedContainer,
    ObservedNetwork,
)
from composer.planner import builds as planned
from composer.planner import desired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.protocols import NetworkState, RuntimeState
    from composer.model.stack import Stack

EXIT_UNKNOWN = 255
"""The exit code of a process whose monitor could not record one (reliability rule 7)."""


def observe(
    drivers: Drivers, stack: str, references: Iterable[str] = (), networks_asked: Iterable[str] = ()
) -> Observed:
    """The stack as it is now.

    ``references`` are the images to look up, ``networks_asked`` the networks of others (``external``).
    """
    records = drivers.records.containers(stack)
    networks = drivers.network.observe(stack)
    foreign = drivers.network.observe_foreign(stack, networks_asked)
    links = drivers.network.links(stack) if records else {}
    addresses: dict[str, dict[str, str]] = {}
    if records:
        for endpoint in drivers.network.endpoints(stack):
            addresses.setdefault(endpoint.container_id, {})[endpoint.network] = (
                endpoint.address or endpoint.address6
            )
    members = [record.id for record in records]
    images = _images(drivers, references)
    return Observed(
        containers=tuple(
            _container(drivers, record, links.get(record.id, frozenset()), addresses.get(record.id, {}))
            for record in records
        ),
        networks={
            name: _network(state, sum(name in addresses.get(member, {}) for member in members))
            for name, state in sorted(networks.items())
        },
        foreign={name: _network(state, 0) for name, state in sorted(foreign.items())},
        volumes=drivers.volumes.observe(stack),
        every_volume=drivers.records.volume_names(),
        images=images,
        image_ages=_ages(drivers, images),
    )


def observe_wanted(drivers: Drivers, stack: Stack, *, will_build: bool = False) -> Observed:
    """The stack as it is now, with all that a plan to bring it up depends on.

    ``will_build`` says that images are built again though they are there.
    """
    networks = desired.external_networks(stack, stack.services)
    observed = observe(drivers, stack.name, desired.references(stack), networks)
    if not planned.needs_reading(stack, observed.images, will_build=will_build):
        return observed
    from composer.engine import builds  # imports the builder; only for who builds

    return attrs.evolve(observed, reads=builds.reads_of(stack))


def observe_containers(drivers: Drivers, stack: str) -> Observed:
    """As ``observe``, but only the containers: enough for ``ps``, and several times quicker."""
    records = drivers.records.containers(stack)
    addresses: dict[str, dict[str, str]] = {}
    for endpoint in drivers.network.endpoints(stack) if records else ():
        addresses.setdefault(endpoint.container_id, {})[endpoint.network] = (
            endpoint.address or endpoint.address6
        )
    return Observed(
        containers=tuple(
            observed_container(drivers, record, addresses.get(record.id, {})) for record in records
        )
    )


def observed_container(
    drivers: Drivers, record: ContainerRecord, addresses: Mapping[str, str]
) -> ObservedContainer:
    """One container, as ``observe_containers`` sees it; ``addresses`` are those it has been leased."""
    return _container(drivers, record, frozenset(addresses), addresses)


def _images(drivers: Drivers, references: Iterable[str]) -> Mapping[str, str]:
    found = {}
    for reference in sorted(set(references)):
        image = drivers.images.find(reference)
        if image is not None:
            found[reference] = image.id
    return found


def _ages(drivers: Drivers, images: Iterable[str]) -> Mapping[str, float]:
    now = time.time()
    return {reference: max(0.0, now - drivers.images.named_at(reference)) for reference in images}


def _network(state: NetworkState, members: int) -> ObservedNetwork:
    return ObservedNetwork(
        spec=state.spec,
        subnet=state.subnet,
        gateway=state.gateway,
        bridge=state.bridge,
        subnet6=state.subnet6,
        gateway6=state.gateway6,
        damage=state.damage,
        members=members,
    )


def _container(
    drivers: Drivers, record: ContainerRecord, links: frozenset[str], addresses: Mapping[str, str]
) -> ObservedContainer:
    now = drivers.runtime.state(record.id)
    state = state_of(record, now)
    is_running = state is ContainerState.RUNNING
    has_ended = state is ContainerState.EXITED
    return ObservedContainer(
        id=record.id,
        spec=record.spec,
        generation=record.generation,
        state=state,
        wish=record.wish,
        pid=now.init.pid if is_running and now.init else 0,
        exit_code=exit_code_of(record, now) if has_ended else None,
        oom_killed=record.oom_killed or (has_ended and now.oom_killed),
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at or now.finished_at if has_ended else 0.0,
        restart_count=record.restart_count,
        health=record.health if is_running else Health.NONE,
        is_monitored=now.is_monitored,
        is_paused=now.is_paused,
        attached={name: addresses[name] for name in sorted(links) if name in addresses},
        ports=drivers.network.published(record.id) if record.spec.ports else (),
    )


def state_of(record: ContainerRecord, now: RuntimeState) -> ContainerState:
    """What a container is, from its record and what the kernel says."""
    if record.phase != "ready":
        return ContainerState.BROKEN
    if now.is_running:
        return ContainerState.RUNNING
    if record.started_at:
        return ContainerState.EXITED
    return ContainerState.CREATED


def exit_code_of(record: ContainerRecord, now: RuntimeState) -> int:
    """The recorded exit code, else conmon's, else "unknown"."""
    if record.exit_code is not None:
        return record.exit_code
    return EXIT_UNKNOWN if now.exit_code is None else now.exit_code
