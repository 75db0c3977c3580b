"""Small builders of model values, and a world in which a plan comes true.

``World`` is to the planner what the engine is to the kernel: it applies a plan to an ``Observed``,
step by step, and refuses what the kernel would refuse (a port taken twice, a network removed under a
running container), so that tests can ask what a second plan would say.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from composer.model import plan as operations
from composer.model.container import (
    ContainerState,
    Health,
    Observed,
    ObservedContainer,
    ObservedNetwork,
    ObservedVolume,
    Wish,
)
from composer.model.plan import Plan, Step
from composer.model.stack import (
    Attachment,
    Condition,
    Dependency,
    Healthcheck,
    Mount,
    MountKind,
    NetworkDefinition,
    Service,
    Stack,
    VolumeDefinition,
)

BUSYBOX = {"busybox": "sha256:" + "b" * 64}


def service(name: str, **fields: object) -> Service:
    defaults: dict[str, object] = {"image": "busybox", "networks": {"default": Attachment()}}
    if "build" in fields:
        del defaults["image"]
    return Service(name=name, **{**defaults, **fields})  # type: ignore[arg-type]


def needs(
    condition: Condition = Condition.STARTED, *, restart: bool = False, required: bool = True
) -> Dependency:
    return Dependency(condition=condition, restart=restart, required=required)


def check() -> Healthcheck:
    return Healthcheck(test=("CMD", "true"))


def data_at(target: str) -> Mount:
    return Mount(kind=MountKind.VOLUME, source="data", target=target)


def stack(*services: Service, name: str = "demo", inactive: tuple[Service, ...] = ()) -> Stack:
    networks = {key for one in services for key in one.networks}
    volumes = {
        mount.source
        for one in services
        for mount in one.mounts
        if mount.kind is MountKind.VOLUME and mount.source
    }
    return Stack(
        name=name,
        directory="/stack",
        files=("/stack/compose.yaml",),
        services={one.name: one for one in sorted(services, key=lambda one: one.name)},
        inactive={one.name: one for one in inactive},
        networks={key: NetworkDefinition(key=key, name=f"{name}_{key}") for key in sorted(networks)},
        volumes={key: VolumeDefinition(key=key, name=f"{name}_{key}") for key in sorted(volumes)},
    )


class World:
    """What exists; ``apply`` makes a plan come true."""

    def __init__(self, images: Mapping[str, str] = BUSYBOX) -> None:
        self.observed = Observed(images=dict(images))
        self._generation = 0

    def apply(self, plan: Plan, *, last_first: bool = False) -> None:
        """Carry the plan out in its order, or with the highest step that may come next first."""
        waiting = list(plan.steps)
        done: set[int] = set()
        while waiting:
            able = [step for step in waiting if set(step.after) <= done]
            assert able, f"nothing can come next of {waiting}"
            step: Step = able[-1] if last_first else able[0]
            self._apply(step.operation)
            waiting.remove(step)
            done.add(step.id)

    def change(self, name: str, **fields: object) -> None:
        """Something happens to a container behind the planner's back."""
        self._containers(
            tuple(
                attrs.evolve(one, **fields) if one.name == name else one for one in self.observed.containers
            )
        )

    def finish(self, name: str, exit_code: int) -> None:
        self.change(name, state=ContainerState.EXITED, exit_code=exit_code, pid=0, attached={})

    def _refuse_taken(self, starting: ObservedContainer) -> None:
        for other in self.observed.containers:
            if other.id != starting.id:
                taken = {port.published for port in other.spec.ports if port.published}
                wanted = {port.published for port in starting.spec.ports}
                assert not taken & wanted, f"{starting.name} needs a port of {other.name}"

    def _containers(self, containers: tuple[ObservedContainer, ...]) -> None:
        ordered = sorted(containers, key=lambda one: (one.spec.service, one.spec.number, one.generation))
        self.observed = attrs.evolve(self.observed, containers=tuple(ordered))

    def _apply(self, operation: operations.Operation) -> None:
        match operation:
            case operations.BuildImage(image=image) | operations.PullImage(image=image):
                images = {**self.observed.images, image: f"sha256:{image}-{len(self.observed.images)}"}
                self.observed = attrs.evolve(self.observed, images=images)
            case operations.CreateNetwork(spec=spec) | operations.RepairNetwork(spec=spec):
                network = ObservedNetwork(spec=spec, subnet="10.0.0.0/24", gateway="10.0.0.1", bridge="b")
                self.observed = attrs.evolve(
                    self.observed, networks={**self.observed.networks, spec.name: network}
                )
            case operations.RemoveNetwork(name=name):
                users = [c.name for c in self.observed.containers if c.is_running and name in c.spec.networks]
                assert not users, f"{users} run on network {name}"
                rest = {key: value for key, value in self.observed.networks.items() if key != name}
                self.observed = attrs.evolve(self.observed, networks=rest)
            case operations.CreateVolume(spec=spec):
                volumes = {**self.observed.volumes, spec.name: ObservedVolume(spec=spec, path="/v")}
                self.observed = attrs.evolve(self.observed, volumes=volumes)
            case operations.RemoveVolume(name=name):
                rest_volumes = {key: value for key, value in self.observed.volumes.items() if key != name}
                self.observed = attrs.evolve(self.observed, volumes=rest_volumes)
            case operations.CreateContainer(spec=spec):
                assert spec.name not in {one.name for one in self.observed.containers}, spec.name
                self._generation += 1
                spec = attrs.evolve(spec, image_id=self.observed.images[spec.image])
                made = ObservedContainer(
                    id=f"{self._generation:064x}", spec=spec, generation=self._generation,
                    state=ContainerState.CREATED, wish=Wish.CREATED,
                )  # fmt: skip
                self._containers((*self.observed.containers, made))
            case operations.StartContainer(name=name):
                for one in self.observed.containers:
                    if one.name == name:
                        assert one.spec.networks.keys() <= self.observed.networks.keys()
                        self._refuse_taken(one)
                        has_check = one.spec.healthcheck is not None
                        self.change(
                            name, state=ContainerState.RUNNING, wish=Wish.RUNNING, pid=7, exit_code=None,
                            is_monitored=True, health=Health.HEALTHY if has_check else Health.NONE,
                            attached=dict.fromkeys(one.spec.networks, "10.0.0.2"),
                        )  # fmt: skip
            case operations.AwaitCondition(name=name, condition=Condition.COMPLETED):
                self.finish(name, 0)
            case operations.StopContainer(id=identity):
                for one in self.observed.containers:
                    if one.id == identity and one.is_running:
                        self.change(
                            one.name,
                            state=ContainerState.EXITED,
                            wish=Wish.STOPPED,
                            exit_code=137,
                            pid=0,
                            attached={},
                        )
            case operations.PauseContainer(name=name):
                self.change(name, is_paused=True)
            case operations.UnpauseContainer(name=name):
                self.change(name, is_paused=False)
            case operations.RemoveContainer(id=identity):
                running = [
                    one.name for one in self.observed.containers if one.id == identity and one.is_running
                ]
                assert not running, f"{running} is removed while it runs"
                self._containers(tuple(one for one in self.observed.containers if one.id != identity))
            case operations.ReconnectContainer(name=name, network=network):
                for one in self.observed.containers:
                    if one.name == name:
                        self.change(name, attached={**one.attached, network: "10.0.0.2"})
            case operations.UpdateLimits(name=name, spec=spec):
                self.change(name, spec=spec)
            case _:
                return
