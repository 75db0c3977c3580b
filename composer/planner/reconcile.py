"""From what a stack wants and what exists to the smallest plan that makes them agree.

First it is decided what becomes of every container (``planner.fate``), then the steps are laid out
in a fixed order: images, networks, volumes, what goes (dependents first), networks that are replaced,
what comes (dependencies first).  Names are sorted within, so the same inputs give the same text, and
golden tests can read it.  A step only ever needs earlier ones: no plan has a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from composer import errors
from composer.model.container import (
    ContainerSpec,
    ContainerState,
    Health,
    NetworkSpec,
    Observed,
    ObservedContainer,
    ObservedNetwork,
)
from composer.model.plan import (
    AwaitCondition,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    Plan,
    PullImage,
    ReconnectContainer,
    RemoveContainer,
    RemoveNetwork,
    RepairNetwork,
    StartContainer,
    StopContainer,
    UpdateLimits,
)
from composer.model.quantity import Duration
from composer.model.stack import Condition, MountKind, Stack
from composer.planner import capacity, claim, desired, difference, exposure, fate, images, order
from composer.planner.draft import Draft
from composer.planner.fate import Fate, Removal, Verdict
from composer.planner.images import ImageOptions


@attrs.frozen(kw_only=True)
class UpOptions:
    """What ``up`` was asked for.

    ``services`` empty means all; ``timeout`` overrides grace periods.  ``no_recreate`` keeps containers
    that are not what the file says any more; ``always_recreate_deps`` makes what the named services need
    again; ``ignore_orphans`` does not speak of them.
    """

    services: tuple[str, ...] = ()
    images: ImageOptions = ImageOptions()
    force_recreate: bool = False
    always_recreate_deps: bool = False
    no_recreate: bool = False
    no_deps: bool = False
    scale: Mapping[str, int] = attrs.field(factory=dict)
    remove_orphans: bool = False
    ignore_orphans: bool = False
    renew_volumes: bool = False
    timeout: Duration | None = None
    start: bool = True
    wait: bool = False


def after_images(options: UpOptions) -> UpOptions:
    """The options for the round after images were pulled and built."""
    return attrs.evolve(options, images=attrs.evolve(options.images, are_settled=True))


def plan_up(stack: Stack, observed: Observed, options: UpOptions) -> Plan:
    """Everything that must happen so that the stack is what its file says.

    Raises, before anything changes, ``UsageError`` for unknown services, ``ImageNotFound`` for images
    that nothing can make, and ``ConflictError`` when a network must be replaced under a container
    that is not part of this.
    """
    _check_names(stack, options)
    chosen = frozenset(options.services or stack.services)
    selected = chosen if options.no_deps else order.with_dependencies(stack.services, chosen)
    return _Reconciliation(stack, observed, options, selected, chosen).plan()


def plan_one_off(stack: Stack, observed: Observed, service: str, options: UpOptions) -> Plan:
    """What a one-off container of ``service`` needs.

    Its image, networks and volumes, and the services ``options.services`` (none when empty).
    """
    chosen = frozenset(options.services)
    selected = order.with_dependencies(stack.services, chosen)
    return _Reconciliation(stack, observed, options, selected, chosen, one_off=service).plan()


def _check_names(stack: Stack, options: UpOptions) -> None:
    unknown = sorted({*options.services, *options.scale} - stack.services.keys())
    if unknown:
        message = f"no such service: {', '.join(unknown)}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(stack.services) or 'none'}.")


class _Reconciliation:
    """The state of one plan in the making: for each resource the step that others may have to wait for."""

    def __init__(
        self,
        stack: Stack,
        observed: Observed,
        options: UpOptions,
        selected: frozenset[str],
        chosen: frozenset[str],
        *,
        one_off: str = "",
    ) -> None:
        self._stack = stack
        self._observed = observed
        self._options = options
        self._one_off = frozenset({one_off} if one_off else ())
        self._replaced, self._selected = _replaced_networks(stack, observed, selected, self._one_off)
        self._chosen = chosen
        self._draft = Draft()
        self._images: dict[str, int] = {}
        self._networks: dict[str, int] = {}
        self._volumes: dict[str, int] = {}
        self._fates: dict[str, tuple[Fate, ...]] = {}
        self._stops: dict[str, int] = {}
        self._gone: list[tuple[ObservedContainer, int]] = []
        self._starts: dict[str, int] = {}
        self._waits: dict[tuple[str, Condition], int] = {}

    def plan(self) -> Plan:
        self._plan_refreshing()
        if self._must_plan_again():
            return self._draft.plan(is_final=False)
        wanted = fate.Wanted(
            selected=self._selected,
            recreated=self._recreated(),
            no_recreate=self._options.no_recreate,
            scale=self._options.scale,
            replaced_networks=self._replaced,
        )
        self._fates, surplus = fate.fates_of(self._stack, self._observed, wanted)
        self._plan_missing_images()
        self._refuse_missing_networks()
        removals = (*self._orphans(), *surplus)
        leaving = frozenset(removal.container.id for removal in removals)
        fate.refuse_occupied(self._observed, self._replaced, leaving, self._selected)
        self._refuse_overfull_networks(leaving)
        self._plan_networks()
        self._plan_volumes()
        self._plan_removals(removals)
        self._plan_replaced_networks()
        for fates in self._fates.values():
            for one in fates:
                self._plan_container(one)
        if self._options.wait:
            self._plan_waiting()
        return self._draft.plan()

    def _recreated(self) -> frozenset[str]:
        """The services whose containers are made again though nothing changed."""
        found: frozenset[str] = frozenset()
        if self._options.force_recreate:
            found |= self._chosen
        if self._options.always_recreate_deps:
            found |= self._selected - self._chosen
        return found

    @property
    def _users(self) -> frozenset[str]:
        """The services whose images, networks and volumes are needed."""
        return self._selected | self._one_off

    # ------------------------------------------------------------------ images

    def _plan_refreshing(self) -> None:
        """What is pulled or built whatever becomes of the containers."""
        self._add_images(
            images.refreshing_steps(self._stack, self._observed, self._users, self._options.images)
        )

    def _must_plan_again(self) -> bool:
        """Whether the outcome of a pull or build decides about a container, or about a further build."""
        if any(isinstance(step, PullImage) and step.may_fail for step in self._draft.operations):
            return True
        return any(
            desired.image_reference(self._stack, self._stack.services[container.spec.service]) in self._images
            for container in self._observed.containers
            if not container.spec.one_off and container.spec.service in self._selected
        )

    def _plan_missing_images(self) -> None:
        """What exists runs on without its image's name; only what is made needs it."""
        made = [one.spec for fates in self._fates.values() for one in fates if one.is_made]
        made += [
            desired.container_spec(self._stack, self._stack.services[name], 1, self._observed.images)
            for name in sorted(self._one_off)
        ]
        steps = images.missing_steps(self._stack, self._observed, made, self._options.images)
        self._add_images([step for step in steps if step.image not in self._images])

    def _add_images(self, steps: Iterable[images.ImageStep]) -> None:
        for step in steps:
            after = [self._images[needed] for needed in step.needs if needed in self._images]
            self._images[step.image] = self._draft.add(step.operation, step.cause, after)

    # ------------------------------------------------------------------ networks and volumes

    def _refuse_missing_networks(self) -> None:
        """What another stack should have made is not ours to make."""
        for name in desired.external_networks(self._stack, sorted(self._users)):
            if name not in self._observed.foreign and name not in self._observed.networks:
                message = f"network {name} is declared external and does not exist"
                hint = f"Make it with `composer network create {name}`, or bring up the stack that owns it."
                raise errors.ConflictError(message, hint=hint)

    def _refuse_overfull_networks(self, leaving: frozenset[str]) -> None:
        """Everybody who will be on the stack's networks, those that nothing happens to as well."""
        wanted = [one.spec.networks for fates in self._fates.values() for one in fates]
        others = [
            container.spec.memberships
            for container in self._observed.containers
            if container.id not in leaving
            and (container.spec.one_off or container.spec.service not in self._fates)
        ]
        capacity.refuse_overfull(_used_networks(self._stack, self._users), [*wanted, *others])

    def _plan_networks(self) -> None:
        for name in desired.external_networks(self._stack, sorted(self._users)):
            foreign = self._observed.foreign.get(name)
            if foreign is not None and foreign.damage:
                operation = RepairNetwork(spec=foreign.spec)
                self._networks[name] = self._draft.add(operation, foreign.damage)
        for spec in _used_networks(self._stack, self._users):
            there = self._observed.networks.get(spec.name)
            if there is None:
                created = CreateNetwork(spec=spec)
                self._networks[spec.name] = self._draft.add(created, "the network does not exist")
            elif there.damage and spec.name not in self._replaced:
                self._networks[spec.name] = self._draft.add(RepairNetwork(spec=there.spec), there.damage)

    def _plan_replaced_networks(self) -> None:
        """Everybody on it is gone by now; its removal waits for them."""
        for spec in _used_networks(self._stack, self._users):
            change = self._replaced.get(spec.name)
            if change is not None:
                gone = [step for container, step in self._gone if spec.name in container.spec.networks]
                removed = self._draft.add(RemoveNetwork(name=spec.name), change, gone)
                self._networks[spec.name] = self._draft.add(CreateNetwork(spec=spec), change, [removed])

    def _plan_volumes(self) -> None:
        used = self._used_volumes()
        self._refuse_missing_volumes(used)
        for spec in desired.volume_specs(self._stack):
            if spec.key not in used:
                continue
            there = self._observed.volumes.get(spec.name)
            if there is None:
                operation = CreateVolume(spec=spec)
                self._volumes[spec.name] = self._draft.add(operation, "the volume does not exist")
            elif there.damage:
                self._draft.warn(f"volume {spec.name} is made again, empty: {there.damage}")
                self._volumes[spec.name] = self._draft.add(CreateVolume(spec=spec), there.damage)
            elif there.spec != spec:
                what = "labels" if there.spec.options == spec.options else "driver_opts"
                self._draft.warn(f"volume {spec.name} is kept as it was made; its new {what} are not applied")

    def _refuse_missing_volumes(self, used: frozenset[str]) -> None:
        """External volumes are somebody else's to make."""
        missing = sorted(
            definition.name
            for key, definition in self._stack.volumes.items()
            if definition.external and key in used and definition.name not in self._observed.every_volume
        )
        if missing:
            message = f"external volume {', '.join(missing)} not found"
            raise errors.OperationFailed(message, hint=f"Make it: `composer volume create {missing[0]}`.")

    def _used_volumes(self) -> frozenset[str]:
        return frozenset(
            mount.source
            for name in self._users
            for mount in self._stack.services[name].mounts
            if mount.kind is MountKind.VOLUME and mount.source
        )

    # ------------------------------------------------------------------ what goes

    def _orphans(self) -> tuple[Removal, ...]:
        orphans = fate.orphans_of(self._stack, self._observed)
        if self._options.remove_orphans or not orphans:
            return orphans
        if self._options.ignore_orphans:
            return ()
        names = ", ".join(removal.container.name for removal in orphans)
        self._draft.warn(
            f"orphan containers ({names}) belong to no service of this stack; --remove-orphans removes them"
        )
        return ()

    def _plan_removals(self, removals: Iterable[Removal]) -> None:
        for removal in removals:
            self._remove(removal.container, removal.cause, [])
        for name in reversed(self._fates):
            for one in self._fates[name]:
                if one.existing is None:
                    continue
                followers = self._stops_of_followers(name)
                if one.verdict is Verdict.RESTART:
                    self._stop(one.existing, one.cause, followers)
                elif one.verdict is Verdict.RECREATE:
                    self._remove(one.existing, one.cause, [*followers, *self._material_of(one)])

    def _stops_of_followers(self, service: str) -> list[int]:
        """Those who are restarted because of a dependency stop before it does."""
        return [
            self._stops[one.existing.id]
            for name in order.dependents_of(self._stack.services, service)
            if self._stack.services[name].depends_on[service].restart
            for one in self._fates.get(name, ())
            if one.existing is not None and one.existing.id in self._stops
        ]

    def _material_of(self, one: Fate) -> list[int]:
        """What must be there to make a container; nothing is removed before."""
        steps = [self._volumes[mount.source] for mount in one.spec.mounts if mount.source in self._volumes]
        needed = [one.spec.image, *(m.source for m in one.spec.mounts if m.kind is MountKind.IMAGE)]
        return steps + [self._images[image] for image in needed if image in self._images]

    def _stop(self, container: ObservedContainer, cause: str, after: Iterable[int]) -> int:
        operation = StopContainer(
            id=container.id,
            name=container.name,
            service=container.spec.service,
            grace=self._options.timeout,
        )
        step = self._stops[container.id] = self._draft.add(operation, cause, after)
        return step

    def _remove(self, container: ObservedContainer, cause: str, after: list[int]) -> None:
        """Its anonymous volumes are kept for whoever takes its place, unless they are to be renewed."""
        if container.may_run and container.state is not ContainerState.BROKEN:
            after = [self._stop(container, cause, after)]
        operation = RemoveContainer(
            id=container.id,
            name=container.name,
            service=container.spec.service,
            with_anonymous_volumes=self._options.renew_volumes or not self._has_successor(container),
        )
        self._gone.append((container, self._draft.add(operation, cause, after)))

    def _has_successor(self, container: ObservedContainer) -> bool:
        spec = container.spec
        fates = self._fates.get(spec.service, ())
        return not spec.one_off and any(one.spec.number == spec.number for one in fates)

    # ------------------------------------------------------------------ what comes

    def _plan_container(self, one: Fate) -> None:
        existing = one.existing
        ready: list[int] = []
        if one.update and existing is not None:
            ready.append(self._update(one, existing))
        if one.is_made:
            predecessors = [
                step
                for container, step in self._gone
                if container.name == one.spec.name and not container.spec.one_off
            ]
            after = [*predecessors, *self._material_of(one)]
            cause = f"{one.cause}{exposure.told(one.spec)}"
            ready.append(self._draft.add(CreateContainer(spec=self._spec_to_make(one)), cause, after))
        if one.verdict is Verdict.RESTART and existing is not None:
            self._start(one, [*ready, self._stops[existing.id]])
        elif one.verdict is not Verdict.KEEP and self._options.start:
            self._start(one, ready)
        elif one.verdict is Verdict.KEEP and existing is not None and existing.is_running:
            self._reconnect(existing)

    def _spec_to_make(self, one: Fate) -> ContainerSpec:
        """The specification; which image its name stands for shows when that was pulled or built."""
        return attrs.evolve(one.spec, image_id="") if one.spec.image in self._images else one.spec

    def _update(self, one: Fate, existing: ObservedContainer) -> int:
        operation = UpdateLimits(
            id=existing.id,
            name=existing.name,
            service=one.service.name,
            limits=one.spec.limits,
            spec=attrs.evolve(one.spec, image_id=existing.spec.image_id),
        )
        after = [self._stops[existing.id]] if existing.id in self._stops else []
        return self._draft.add(operation, one.update, after)

    def _reconnect(self, existing: ObservedContainer) -> None:
        for network in sorted({*existing.spec.networks, *existing.spec.joined}):
            if network not in existing.attached:
                operation = ReconnectContainer(
                    id=existing.id, name=existing.name, service=existing.spec.service, network=network
                )
                after = [self._networks[network]] if network in self._networks else []
                self._draft.add(operation, f"network {network} was detached", after)

    def _start(self, one: Fate, ready: Iterable[int]) -> None:
        wants = claim.wanted_by(one.spec)
        after = [
            *ready,
            *(self._networks[name] for name in one.spec.networks if name in self._networks),
            *(step for holder, step in self._gone if wants.collides_with(claim.held_by(holder))),
        ]
        for name, dependency in sorted(one.service.depends_on.items()):
            for needed in self._fates.get(name, ()):
                after.extend(self._reached(needed, dependency.condition))
        operation = StartContainer(name=one.spec.name, service=one.service.name)
        self._starts[one.spec.name] = self._draft.add(operation, one.cause, after)

    # ------------------------------------------------------------------ waiting

    def _reached(self, one: Fate, condition: Condition) -> list[int]:
        """The steps after which a container has reached a condition; none when it has already."""
        start = self._starts.get(one.spec.name)
        after = [] if start is None else [start]
        if condition is Condition.STARTED:
            return after
        if start is None and _has_reached(one.existing, condition):
            return []
        key = (one.spec.name, condition)
        if key not in self._waits:
            operation = AwaitCondition(name=one.spec.name, service=one.spec.service, condition=condition)
            word = "healthy" if condition is Condition.HEALTHY else "completed"
            self._waits[key] = self._draft.add(operation, f"it must be {word} first", after)
        return [self._waits[key]]

    def _plan_waiting(self) -> None:
        one_shots = {
            needed
            for service in self._stack.services.values()
            for needed, dependency in service.depends_on.items()
            if dependency.condition is Condition.COMPLETED
        }
        for name, fates in self._fates.items():
            check = self._stack.services[name].healthcheck
            for one in fates:
                if name in one_shots:
                    self._reached(one, Condition.COMPLETED)
                elif check is not None and not check.disabled:
                    self._reached(one, Condition.HEALTHY)


def _used_networks(stack: Stack, services: Iterable[str]) -> tuple[NetworkSpec, ...]:
    used = {key for name in services for key in stack.services[name].networks}
    return tuple(spec for spec in desired.network_specs(stack) if spec.key in used)


def _replaced_networks(
    stack: Stack, observed: Observed, selected: frozenset[str], others: frozenset[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """The networks whose definition changed, with what changed; and the services that this concerns.

    A network cannot be replaced under a running container: every active service that is on it is
    selected as well, which may bring in further networks.
    """
    while True:
        replaced = {}
        for spec in _used_networks(stack, selected | others):
            there = observed.networks.get(spec.name)
            if there is not None and (change := _network_change(there, spec)):
                replaced[spec.name] = change
        concerned = {
            container.spec.service
            for container in observed.containers
            if not container.spec.one_off and container.spec.networks.keys() & replaced.keys()
        }
        extended = selected | (concerned & stack.services.keys())
        if extended == selected:
            return replaced, selected
        selected = extended


def _network_change(there: ObservedNetwork, spec: NetworkSpec) -> str:
    """What of a network changed that only making it again can change."""
    before, after = _lasting(there.spec), _lasting(spec)
    for field in sorted(before.keys() | after.keys()):
        if before.get(field) != after.get(field):
            old, new = (difference.shown(side.get(field)) for side in (before, after))
            return f"{field} changed from {old} to {new}"
    return ""


def _lasting(spec: NetworkSpec) -> dict[str, object]:
    """Words of the stack file to values; a field of ``ipam`` that only one pool has is that one's value."""
    found: dict[str, object] = {
        "driver": spec.driver,
        "internal": spec.internal,
        "enable_ipv4": spec.enable_ipv4,
        "enable_ipv6": spec.enable_ipv6,
        **{f"option {name}": value for name, value in spec.driver_opts.items()},
    }
    for field in ("subnet", "gateway", "ip_range"):
        values = tuple(value for pool in spec.pools if (value := getattr(pool, field)) is not None)
        if values:
            found[field] = values[0] if len(values) == 1 else values
    for pool in spec.pools:
        found.update({f"aux_address {name}": address for name, address in pool.aux_addresses.items()})
    return found


def _has_reached(container: ObservedContainer | None, condition: Condition) -> bool:
    if container is None:
        return False
    if condition is Condition.HEALTHY:
        return container.is_running and container.health is Health.HEALTHY
    return container.state is ContainerState.EXITED and container.exit_code == 0
