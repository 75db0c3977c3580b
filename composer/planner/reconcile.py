"""From what a stack wants and what exists to the smallest plan that makes them agree.

The order of thought is fixed: images, networks, volumes, then services, each after what it depends
on; names are sorted within.  So the same inputs give the same text, and golden tests can read it.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    Wish,
)
from composer.model.plan import (
    AwaitCondition,
    BuildImage,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    Plan,
    ReconnectContainer,
    RemoveContainer,
    RemoveNetwork,
    RepairNetwork,
    StartContainer,
    StopContainer,
    UpdateLimits,
)
from composer.model.quantity import Duration
from composer.model.stack import Condition, RestartKind, Service, Stack
from composer.planner import desired, difference, order
from composer.planner.draft import Draft


@attrs.frozen(kw_only=True)
class UpOptions:
    """What ``up`` was asked for.  ``services`` empty means all; ``timeout`` overrides grace periods."""

    services: tuple[str, ...] = ()
    build: bool = False
    force_recreate: bool = False
    no_deps: bool = False
    scale: Mapping[str, int] = attrs.field(factory=dict)
    remove_orphans: bool = False
    timeout: Duration | None = None
    start: bool = True
    wait: bool = False


def after_builds(options: UpOptions) -> UpOptions:
    """The options for the round after the builds were done."""
    return attrs.evolve(options, build=False)


def plan_up(stack: Stack, observed: Observed, options: UpOptions) -> Plan:
    """Everything that must happen so that the stack is what its file says.

    Raises ``UsageError`` for unknown services and ``ImageNotFound`` for images that nothing can make,
    before anything changes.
    """
    _check_names(stack, options)
    chosen = options.services or tuple(stack.services)
    selected = frozenset(chosen) if options.no_deps else order.with_dependencies(stack.services, chosen)
    return _Reconciliation(stack, observed, options, selected, selected).plan()


def plan_one_off(stack: Stack, observed: Observed, service: str, options: UpOptions) -> Plan:
    """What a one-off container of ``service`` needs.

    Its image, networks and volumes, and the services ``options.services`` (none when empty).
    """
    selected = order.with_dependencies(stack.services, options.services)
    return _Reconciliation(stack, observed, options, selected, selected | {service}).plan()


def _check_names(stack: Stack, options: UpOptions) -> None:
    unknown = sorted({*options.services, *options.scale} - stack.services.keys())
    if unknown:
        message = f"no such service: {', '.join(unknown)}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(stack.services) or 'none'}.")


@attrs.frozen(kw_only=True)
class _Fate:
    """What the plan does to one desired container: the steps that others may have to wait for."""

    spec: ContainerSpec
    existing: ObservedContainer | None
    start: int | None = None
    is_restarted: bool = False


class _Reconciliation:
    """The state of one plan in the making."""

    def __init__(
        self,
        stack: Stack,
        observed: Observed,
        options: UpOptions,
        selected: frozenset[str],
        resources_of: frozenset[str],
    ) -> None:
        self._stack = stack
        self._observed = observed
        self._options = options
        self._selected = selected
        self._resources_of = resources_of
        self._draft = Draft()
        self._builds: dict[str, int] = {}
        self._networks: dict[str, int] = {}
        self._volumes: dict[str, int] = {}
        self._doomed_networks: dict[str, str] = {}
        self._fates: dict[str, list[_Fate]] = {}
        self._waits: dict[tuple[str, Condition], int] = {}

    def plan(self) -> Plan:
        self._plan_builds()
        if self._must_plan_again():
            return self._draft.plan(is_final=False)
        self._plan_networks()
        self._plan_volumes()
        self._plan_orphans()
        for name in order.dependencies_first(self._stack.services, self._selected):
            self._plan_service(self._stack.services[name])
        if self._options.wait:
            self._plan_waiting()
        return self._draft.plan()

    # ------------------------------------------------------------------ images

    def _plan_builds(self) -> None:
        missing: list[str] = []
        for name in sorted(self._resources_of):
            service = self._stack.services[name]
            reference = desired.image_reference(self._stack, service)
            is_there = reference in self._observed.images
            if reference in self._builds or (is_there and not (self._options.build and service.build)):
                continue
            if service.build is None:
                if not any(
                    other.build and desired.image_reference(self._stack, other) == reference
                    for other in self._stack.services.values()
                ):
                    missing.append(reference)
                continue
            cause = "a build was asked for" if is_there else "the image is missing"
            operation = BuildImage(service=name, image=reference, build=service.build)
            self._builds[reference] = self._draft.add(operation, cause)
        if missing:
            raise _not_found(missing)

    def _must_plan_again(self) -> bool:
        """Whether a container that exists will be judged by the outcome of a build."""
        return any(
            desired.image_reference(self._stack, self._stack.services[container.spec.service]) in self._builds
            for container in self._observed.containers
            if not container.spec.one_off and container.spec.service in self._selected
        )

    # ------------------------------------------------------------------ networks and volumes

    def _plan_networks(self) -> None:
        used = {key for name in self._resources_of for key in self._stack.services[name].networks}
        self._check_external(used)
        for spec in desired.network_specs(self._stack):
            if spec.key not in used:
                continue
            there = self._observed.networks.get(spec.name)
            if there is None:
                self._networks[spec.name] = self._draft.add(
                    CreateNetwork(spec=spec), "the network does not exist"
                )
            elif change := _network_change(there, spec):
                self._doomed_networks[spec.name] = change
                self._replace_network(spec, change)
            elif there.damage:
                self._networks[spec.name] = self._draft.add(RepairNetwork(spec=there.spec), there.damage)

    def _replace_network(self, spec: NetworkSpec, change: str) -> None:
        """Containers on it go first; they are made again by their services."""
        removals = []
        for container in self._observed.containers:
            if spec.name in container.spec.networks:
                cause = f"network {spec.name} is replaced: {change}"
                removals.append(self._remove(container, cause))
        removed = self._draft.add(RemoveNetwork(name=spec.name), change, removals)
        self._networks[spec.name] = self._draft.add(CreateNetwork(spec=spec), change, [removed])

    def _check_external(self, used: set[str]) -> None:
        for key in sorted(used):
            definition = self._stack.networks[key]
            if definition.external and definition.name not in self._observed.networks:
                message = f"network {definition.name} is declared external, but does not exist"
                raise errors.ConflictError(message, hint="Bring up the stack that owns it first.")

    def _plan_volumes(self) -> None:
        used = {
            mount.source
            for name in self._resources_of
            for mount in self._stack.services[name].mounts
            if mount.kind.value == "volume" and mount.source
        }
        for spec in desired.volume_specs(self._stack):
            if spec.key not in used:
                continue
            there = self._observed.volumes.get(spec.name)
            if there is None:
                self._volumes[spec.name] = self._draft.add(
                    CreateVolume(spec=spec), "the volume does not exist"
                )
            elif there.damage:
                self._draft.warn(f"volume {spec.name} is made again, empty: {there.damage}")
                self._volumes[spec.name] = self._draft.add(CreateVolume(spec=spec), there.damage)
            elif there.spec.stack != spec.stack:
                self._draft.warn(
                    f"volume {spec.name} belongs to stack {there.spec.stack}; it is used as it is"
                )

    # ------------------------------------------------------------------ orphans

    def _plan_orphans(self) -> None:
        known = self._stack.services.keys() | self._stack.inactive.keys()
        orphans = [
            container
            for container in self._observed.containers
            if container.spec.service not in known and not container.spec.one_off
        ]
        if self._options.remove_orphans:
            for container in orphans:
                self._remove(container, f"the stack has no service {container.spec.service}")
        elif orphans:
            names = ", ".join(container.name for container in orphans)
            self._draft.warn(
                f"orphan containers ({names}) belong to no service of this stack; "
                "--remove-orphans removes them"
            )

    # ------------------------------------------------------------------ services

    def _plan_service(self, service: Service) -> None:
        count = self._options.scale.get(service.name, service.replicas)
        fates = self._fates[service.name] = []
        kept, surplus = self._existing(service.name, count)
        for container, cause in surplus:
            self._remove(container, cause)
        for number in range(1, count + 1):
            spec = desired.container_spec(self._stack, service, number, self._observed.images)
            existing = kept.get(number)
            if existing is not None and self._doomed(existing):
                fates.append(self._create(service, spec, existing, self._doomed(existing), removed=True))
            else:
                fates.append(self._fate_of(service, spec, existing))

    def _existing(
        self, service: str, count: int
    ) -> tuple[dict[int, ObservedContainer], list[tuple[ObservedContainer, str]]]:
        """The newest whole container of each number, and those that are too many."""
        kept: dict[int, ObservedContainer] = {}
        surplus: list[tuple[ObservedContainer, str]] = []
        for container in self._observed.containers:
            if container.spec.service != service or container.spec.one_off:
                continue
            number = container.spec.number
            if container.state is ContainerState.BROKEN:
                surplus.append((container, "a former run left it half made"))
            elif number > count:
                surplus.append((container, f"the service is scaled to {count}"))
            else:
                older = kept.get(number)
                if older is not None:
                    surplus.append((older, "a newer container took its place"))
                kept[number] = container
        return kept, surplus

    def _doomed(self, container: ObservedContainer) -> str:
        for network in sorted(container.spec.networks):
            if network in self._doomed_networks:
                return f"network {network} is replaced: {self._doomed_networks[network]}"
        return ""

    def _fate_of(self, service: Service, spec: ContainerSpec, existing: ObservedContainer | None) -> _Fate:
        if existing is None:
            return self._create(service, spec, None, f"service {service.name} has no container {spec.number}")
        changes = difference.differences(existing.spec, spec)
        if self._options.force_recreate:
            return self._create(service, spec, existing, "recreation was asked for")
        if changes and all(change.field == difference.LIMITS for change in changes) and existing.is_running:
            cause = difference.cause_of(changes)
            operation = UpdateLimits(
                id=existing.id,
                name=existing.name,
                service=service.name,
                limits=spec.limits,
                spec=attrs.evolve(spec, image_id=existing.spec.image_id),
            )
            self._draft.add(operation, cause)
            return self._keep(service, spec, existing)
        if changes:
            return self._create(service, spec, existing, difference.cause_of(changes))
        return self._keep(service, spec, existing)

    def _create(
        self,
        service: Service,
        spec: ContainerSpec,
        existing: ObservedContainer | None,
        cause: str,
        *,
        removed: bool = False,
    ) -> _Fate:
        needed = [self._volumes[mount.source] for mount in spec.mounts if mount.source in self._volumes]
        if spec.image in self._builds:
            needed.append(self._builds[spec.image])
        if existing is not None and not removed:
            needed.append(self._remove(existing, cause, after=needed))
        created = self._draft.add(CreateContainer(spec=spec), cause, needed)
        start = None
        if self._options.start:
            start = self._start(service, spec, cause, [created])
        return _Fate(spec=spec, existing=existing, start=start, is_restarted=existing is not None)

    def _keep(self, service: Service, spec: ContainerSpec, existing: ObservedContainer) -> _Fate:
        cause = self._restart_cause(service, existing)
        if cause and existing.is_running:
            stop = self._draft.add(self._stop(existing), cause)
            start = self._start(service, spec, cause, [stop])
            return _Fate(spec=spec, existing=existing, start=start, is_restarted=True)
        if existing.is_running:
            self._reconnect(existing)
            return _Fate(spec=spec, existing=existing)
        cause = _start_cause(existing)
        if not cause or not self._options.start:
            return _Fate(spec=spec, existing=existing)
        return _Fate(spec=spec, existing=existing, start=self._start(service, spec, cause, []))

    def _restart_cause(self, service: Service, existing: ObservedContainer) -> str:
        if not existing.is_monitored:
            return "its monitor is gone"
        for needed, dependency in sorted(service.depends_on.items()):
            if dependency.restart and any(fate.is_restarted for fate in self._fates.get(needed, ())):
                return f"{needed}, which it depends on, is restarted"
        return ""

    def _reconnect(self, existing: ObservedContainer) -> None:
        for network in sorted(existing.spec.networks):
            if network not in existing.attached:
                operation = ReconnectContainer(
                    id=existing.id, name=existing.name, service=existing.spec.service, network=network
                )
                after = [self._networks[network]] if network in self._networks else []
                self._draft.add(operation, f"network {network} was detached", after)

    def _start(self, service: Service, spec: ContainerSpec, cause: str, after: list[int]) -> int:
        needed = [*after, *(self._networks[name] for name in spec.networks if name in self._networks)]
        for name, dependency in sorted(service.depends_on.items()):
            for fate in self._fates.get(name, ()):
                needed.extend(self._ready(fate, dependency.condition))
        return self._draft.add(StartContainer(name=spec.name, service=service.name), cause, needed)

    # ------------------------------------------------------------------ waiting

    def _ready(self, fate: _Fate, condition: Condition) -> list[int]:
        """The steps after which a container has reached a condition; none when it has already."""
        if condition is Condition.STARTED:
            return [] if fate.start is None else [fate.start]
        if fate.start is None and _has_reached(fate.existing, condition):
            return []
        key = (fate.spec.name, condition)
        if key not in self._waits:
            operation = AwaitCondition(name=fate.spec.name, service=fate.spec.service, condition=condition)
            word = "healthy" if condition is Condition.HEALTHY else "completed"
            after = [] if fate.start is None else [fate.start]
            self._waits[key] = self._draft.add(operation, f"it must be {word} first", after)
        return [self._waits[key]]

    def _plan_waiting(self) -> None:
        one_shots = {
            needed
            for service in self._stack.services.values()
            for needed, dependency in service.depends_on.items()
            if dependency.condition is Condition.COMPLETED
        }
        for name in order.dependencies_first(self._stack.services, self._selected):
            check = self._stack.services[name].healthcheck
            for fate in self._fates[name]:
                if name in one_shots:
                    self._ready(fate, Condition.COMPLETED)
                elif check is not None and not check.disabled:
                    self._ready(fate, Condition.HEALTHY)

    # ------------------------------------------------------------------ removal

    def _stop(self, container: ObservedContainer) -> StopContainer:
        return StopContainer(
            id=container.id,
            name=container.name,
            service=container.spec.service,
            grace=self._options.timeout,
        )

    def _remove(self, container: ObservedContainer, cause: str, after: list[int] | None = None) -> int:
        needed = list(after or ())
        if container.state is not ContainerState.BROKEN:
            needed = [self._draft.add(self._stop(container), cause, needed)] if container.may_run else needed
        operation = RemoveContainer(id=container.id, name=container.name, service=container.spec.service)
        return self._draft.add(operation, cause, needed)


def _has_reached(container: ObservedContainer | None, condition: Condition) -> bool:
    if container is None:
        return False
    if condition is Condition.HEALTHY:
        return container.is_running and container.health is Health.HEALTHY
    return container.state is ContainerState.EXITED and container.exit_code == 0


def _start_cause(container: ObservedContainer) -> str:
    """Why a container that does not run must be started; "" when it has done its work."""
    if container.state is ContainerState.CREATED:
        return "it was created but never started"
    if container.wish is Wish.STOPPED:
        return "it was stopped"
    if container.exit_code == 0 and container.spec.restart.kind in {RestartKind.NO, RestartKind.ON_FAILURE}:
        return ""
    return f"it exited with {container.exit_code}"


def _network_change(there: ObservedNetwork, spec: NetworkSpec) -> str:
    for field in ("internal", "subnet", "gateway"):
        before, after = getattr(there.spec, field), getattr(spec, field)
        if before != after:
            return f"{field} changed from {difference.shown(before)} to {difference.shown(after)}"
    return ""


def _not_found(missing: list[str]) -> errors.ImageNotFound:
    plural = "images are" if len(missing) > 1 else "image is"
    message = f"{plural} not in the store: {', '.join(sorted(set(missing)))}"
    hint = (
        f"Make one with `composer image bootstrap {missing[0]}`, or bring one in with "
        "`composer image import FILE NAME`; there is no registry client yet."
    )
    return errors.ImageNotFound(message, hint=hint)
