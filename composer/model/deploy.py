"""The ``deploy`` and ``develop`` sections (Compose Specification, ``deploy.md`` and ``develop.md``).

What of it acts on one host is folded into the service (``replicas``, ``limits``, ``restart``); here it
is kept whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from composer.model.quantity import ByteSize, Duration


@attrs.frozen(kw_only=True)
class DeviceRequest:
    """Devices asked for by what they can do (``gpus``, ``reservations.devices``); ``count`` -1 is all."""

    capabilities: tuple[str, ...] = ()
    driver: str = ""
    count: int | None = None
    device_ids: tuple[str, ...] = ()
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class DiscreteResource:
    """So many of a kind of thing."""

    kind: str = ""
    value: int = 0


@attrs.frozen(kw_only=True)
class GenericResource:
    """A resource that the user named."""

    discrete_resource_spec: DiscreteResource | None = None


@attrs.frozen(kw_only=True)
class Resources:
    """One of ``limits`` and ``reservations``."""

    cpus: float | None = None
    memory: ByteSize | None = None
    pids: int | None = None
    devices: tuple[DeviceRequest, ...] = ()
    generic_resources: tuple[GenericResource, ...] = ()


@attrs.frozen(kw_only=True)
class ResourceSection:
    """``deploy.resources``."""

    limits: Resources = Resources()
    reservations: Resources = Resources()


@attrs.frozen(kw_only=True)
class UpdatePolicy:
    """``update_config`` and ``rollback_config``: how a cluster replaces containers."""

    parallelism: int | None = None
    delay: Duration | None = None
    failure_action: str = ""
    monitor: Duration | None = None
    max_failure_ratio: float | None = None
    order: str = ""


@attrs.frozen(kw_only=True)
class DeployRestart:
    """``deploy.restart_policy``; ``condition`` is ``none``, ``on-failure`` or ``any``."""

    condition: str = ""
    delay: Duration | None = None
    max_attempts: int | None = None
    window: Duration | None = None


@attrs.frozen(kw_only=True)
class Preference:
    """A label to spread containers over."""

    spread: str = ""


@attrs.frozen(kw_only=True)
class Placement:
    """Where a cluster puts containers."""

    constraints: tuple[str, ...] = ()
    preferences: tuple[Preference, ...] = ()
    max_replicas_per_node: int | None = None


@attrs.frozen(kw_only=True)
class Deploy:
    """The whole section."""

    mode: str = ""
    replicas: int | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    update_config: UpdatePolicy | None = None
    rollback_config: UpdatePolicy | None = None
    resources: ResourceSection = ResourceSection()
    restart_policy: DeployRestart | None = None
    placement: Placement = Placement()
    endpoint_mode: str = ""


@attrs.frozen(kw_only=True)
class Hook:
    """A command in the running container (``post_start``, ``pre_stop``, ``watch.exec``)."""

    command: tuple[str, ...] = ()
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Watch:
    """One rule of ``develop.watch``: what happens when something below ``path`` changes."""

    path: str
    action: str
    target: str = ""
    exec: Hook = Hook()
    include: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    initial_sync: bool = False


@attrs.frozen(kw_only=True)
class Develop:
    """The section."""

    watch: tuple[Watch, ...] = ()
