"""A plan: small operations, each with its cause, and which must come before which.

The executor walks a plan and decides nothing.  One frozen class per kind of operation; ``text_of``
prints one line per step, which is what ``composer plan`` shows and what golden tests compare.
"""

from __future__ import annotations

import attrs

from composer.model.build import Build
from composer.model.container import ContainerSpec, NetworkSpec, VolumeSpec
from composer.model.limits import Limits
from composer.model.quantity import Duration
from composer.model.stack import Condition


@attrs.frozen(kw_only=True)
class BuildImage:
    """Build the image of a service and tag it ``image``."""

    service: str
    image: str
    build: Build
    no_cache: bool = False

    action = "build"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"image {self.image}"


@attrs.frozen(kw_only=True)
class PullImage:
    """Fetch an image from its registry; ``platform`` "" is the host's.

    ``may_fail``: what cannot be fetched is built in the next round.
    """

    image: str
    platform: str = ""
    may_fail: bool = False

    action = "pull"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"image {self.image}"


@attrs.frozen(kw_only=True)
class RemoveImage:
    """Take the tag away, and the image when nothing else names it."""

    image: str
    action = "remove"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"image {self.image}"


@attrs.frozen(kw_only=True)
class CreateNetwork:
    """Lease a subnet; make bridge and rules."""

    spec: NetworkSpec
    action = "create"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"network {self.spec.name}"


@attrs.frozen(kw_only=True)
class RepairNetwork:
    """Put back what the kernel lost of a recorded network (bridge, address, rules)."""

    spec: NetworkSpec
    action = "repair"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"network {self.spec.name}"


@attrs.frozen(kw_only=True)
class RemoveNetwork:
    """Remove bridge, rules and lease."""

    name: str
    action = "remove"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"network {self.name}"


@attrs.frozen(kw_only=True)
class CreateVolume:
    """Record the volume and make its directory."""

    spec: VolumeSpec
    action = "create"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"volume {self.spec.name}"


@attrs.frozen(kw_only=True)
class RemoveVolume:
    """Delete the volume and its content."""

    name: str
    action = "remove"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"volume {self.name}"


@attrs.frozen(kw_only=True)
class CreateContainer:
    """Record the container and make its writable layer; nothing runs yet."""

    spec: ContainerSpec
    action = "create"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.spec.name}"


@attrs.frozen(kw_only=True)
class StartContainer:
    """Join the networks and start the first process of the container called ``name``."""

    name: str
    service: str
    action = "start"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class AwaitCondition:
    """Wait until the container called ``name`` has reached the condition."""

    name: str
    service: str
    condition: Condition
    action = "wait"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class StopContainer:
    """Send the stop signal, wait the grace period, then kill.

    ``grace`` overrides the container's own; ``signal`` (a name) asks for a plain kill instead.
    """

    id: str
    name: str
    service: str
    grace: Duration | None = None
    action = "stop"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class PauseContainer:
    """Freeze every process of a running container."""

    id: str
    name: str
    service: str
    action = "pause"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class UnpauseContainer:
    """Let the processes of a paused container go on."""

    id: str
    name: str
    service: str
    action = "unpause"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class RemoveContainer:
    """Remove a stopped container: runtime state, links, writable layer, log, record."""

    id: str
    name: str
    service: str
    with_anonymous_volumes: bool = True
    action = "remove"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class ReconnectContainer:
    """Give a running container back its link to ``network``."""

    id: str
    name: str
    service: str
    network: str
    action = "reconnect"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


@attrs.frozen(kw_only=True)
class UpdateLimits:
    """Change the limits of a running container in place; ``spec`` is the new stored one."""

    id: str
    name: str
    service: str
    limits: Limits
    spec: ContainerSpec
    action = "update"

    @property
    def resource(self) -> str:
        """What the operation is about, for people."""
        return f"container {self.name}"


Operation = (
    BuildImage
    | PullImage
    | RemoveImage
    | CreateNetwork
    | RepairNetwork
    | RemoveNetwork
    | CreateVolume
    | RemoveVolume
    | CreateContainer
    | StartContainer
    | AwaitCondition
    | StopContainer
    | PauseContainer
    | UnpauseContainer
    | RemoveContainer
    | ReconnectContainer
    | UpdateLimits
)


@attrs.frozen(kw_only=True)
class Step:
    """One node of the plan: ``after`` names the steps that must have succeeded before it."""

    id: int
    operation: Operation
    cause: str
    after: tuple[int, ...] = ()

    @property
    def line(self) -> str:
        """The step as ``composer plan`` prints it."""
        needs = f" after {', '.join(f'#{step}' for step in self.after)}" if self.after else ""
        return f"#{self.id} {self.operation.action} {self.operation.resource}: {self.cause}{needs}"


@attrs.frozen(kw_only=True)
class Plan:
    """Steps in an order that respects ``after``, and what the planner wants said.

    ``is_final`` is false when the outcome of a build or pull decides about existing containers: the engine
    then observes and plans again after carrying this plan out.
    """

    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    is_final: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps


def text_of(plan: Plan) -> str:
    """The plan as text: a line per step, or ``nothing to do``."""
    lines = [step.line for step in plan.steps] or ["nothing to do"]
    return "\n".join(lines) + "\n"
