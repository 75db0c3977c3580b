"""One container: what it should be (``ContainerSpec``) and what exists (``Observed...``).

A ``ContainerSpec`` is complete but for what the image says: it is stored when the container is
made, and the planner finds the reason for a change by comparing the stored one with the desired
one, field by field.  Content that is mounted (configs, secrets) is part of it by digest only, so
that no secret reaches a record.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from composer.model.deploy import DeviceRequest, Hook
from composer.model.limits import Limits, Ulimit
from composer.model.quantity import ByteSize
from composer.model.stack import (
    Device,
    Healthcheck,
    Logging,
    MountKind,
    Namespaces,
    Pool,
    PublishedPort,
    Resolver,
    RestartKind,
    RestartPolicy,
)


@attrs.frozen(kw_only=True)
class ContainerMount:
    """A mount with its source settled: an absolute host path, a volume's name on the host, or "".

    ``labels`` are those of an anonymous volume.
    """

    kind: MountKind
    target: str
    source: str = ""
    read_only: bool = False
    create_host_path: bool = True
    nocopy: bool = False
    tmpfs_size: ByteSize | None = None
    tmpfs_mode: int | None = None
    propagation: str = ""
    recursive: str = ""
    subpath: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    tmpfs_options: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ContainerFile:
    """A config or secret as the container sees it; ``digest`` stands for the content."""

    target: str
    digest: str
    uid: int = 0
    gid: int = 0
    mode: int = 0o444
    is_secret: bool = False


@attrs.frozen(kw_only=True)
class NetworkMembership:
    """How the container joins the network whose name is the mapping's key."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: tuple[str, ...] = ()
    mac_address: str | None = None
    interface_name: str | None = None
    priority: int = 0
    gw_priority: int = 0
    driver_opts: Mapping[str, str] = attrs.field(factory=dict)
    links: Mapping[str, str] = attrs.field(factory=dict)
    """Names that only this container sees, each with the name on this network that it stands for."""


@attrs.frozen(kw_only=True)
class ContainerSpec:
    """Everything a stack decides about one container.  ``image_id`` is "" until a build gave it."""

    stack: str
    service: str
    number: int
    name: str
    image: str
    image_id: str = ""
    one_off: bool = False
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict)
    working_dir: str | None = None
    user: str | None = None
    hostname: str | None = None
    ports: tuple[PublishedPort, ...] = ()
    mounts: tuple[ContainerMount, ...] = ()
    files: tuple[ContainerFile, ...] = ()
    networks: Mapping[str, NetworkMembership] = attrs.field(factory=dict)
    healthcheck: Healthcheck | None = None
    restart: RestartPolicy = RestartPolicy()
    stop_signal: str | None = None
    stop_grace_period: int = 10_000_000_000
    init: bool = False
    labels: Mapping[str, str] = attrs.field(factory=dict)
    limits: Limits = Limits()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    read_only: bool = False
    tty: bool = False
    stdin_open: bool = False
    stdin_once: bool = False
    """Whether stdin ends with the first client that was attached to it (Docker's ``StdinOnce``)."""
    domainname: str | None = None
    resolver: Resolver = Resolver()
    namespaces: Namespaces = Namespaces()
    group_add: tuple[str, ...] = ()
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    shm_size: ByteSize | None = None
    sysctls: Mapping[str, str] = attrs.field(factory=dict)
    ulimits: Mapping[str, Ulimit] = attrs.field(factory=dict)
    oom_score_adj: int = 0
    cgroup_parent: str | None = None
    runtime: str | None = None
    annotations: Mapping[str, str] = attrs.field(factory=dict)
    volumes_from: tuple[str, ...] = ()
    logging: Logging | None = None
    device_requests: tuple[DeviceRequest, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    auto_remove: bool = False
    expose: tuple[str, ...] = ()
    joined: Mapping[str, NetworkMembership] = attrs.field(factory=dict)
    """Networks that it was connected to by hand: no stack file says so, and none is against it."""
    left: tuple[str, ...] = ()
    """Networks of ``networks`` that it was disconnected from by hand."""

    @property
    def memberships(self) -> Mapping[str, NetworkMembership]:
        """The networks that it is on: the stack file's word, then what was done by hand."""
        both = {**self.networks, **self.joined}
        return {name: membership for name, membership in both.items() if name not in self.left}


@attrs.frozen(kw_only=True)
class NetworkSpec:
    """What a network should be; compared with the stored one as containers are."""

    stack: str
    key: str
    name: str
    internal: bool = False
    driver: str = "bridge"
    driver_opts: Mapping[str, str] = attrs.field(factory=dict)
    pools: tuple[Pool, ...] = ()
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    attachable: bool = False
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class VolumeSpec:
    """What a volume should be.  Its content is the user's: a changed spec never destroys it.

    ``options`` say what is mounted in the place of a directory of the store (``model.localvolume``).
    """

    stack: str
    key: str
    name: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    options: Mapping[str, str] = attrs.field(factory=dict)


class ContainerState(enum.Enum):
    """What the kernel says of a recorded container (the record alone proves nothing)."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    BROKEN = "broken"
    """Its directory is gone or half made: it can only be removed."""


class Health(enum.Enum):
    """The verdict of the probes; ``NONE`` when the container has no healthcheck."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Wish(enum.Enum):
    """What was last asked of a container: the supervisor acts on it, a crash does not lose it."""

    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"


@attrs.frozen(kw_only=True)
class ObservedContainer:
    """One recorded container of the stack and its true state.

    Times are Unix seconds (display only).  ``attached`` maps the networks whose link the kernel
    really has to the container's address there.  ``ports`` are the published ports with the host
    port that was chosen.
    """

    id: str
    spec: ContainerSpec
    generation: int
    state: ContainerState
    wish: Wish
    pid: int = 0
    exit_code: int | None = None
    oom_killed: bool = False
    created_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    restart_count: int = 0
    health: Health = Health.NONE
    is_monitored: bool = True
    is_paused: bool = False
    attached: Mapping[str, str] = attrs.field(factory=dict)
    ports: tuple[PublishedPort, ...] = ()

    @property
    def name(self) -> str:
        """The container's name."""
        return self.spec.name

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self.state is ContainerState.RUNNING

    @property
    def may_run(self) -> bool:
        """Whether it runs, or its restart policy may start it at any moment: then it must be stopped."""
        return self.is_running or (self.wish is Wish.RUNNING and self.spec.restart.kind is not RestartKind.NO)


@attrs.frozen(kw_only=True)
class ObservedNetwork:
    """A recorded network.  ``damage`` says what the kernel lacks of it ("" when nothing)."""

    spec: NetworkSpec
    subnet: str
    gateway: str
    bridge: str
    damage: str = ""
    members: int = 0
    subnet6: str = ""
    gateway6: str = ""


@attrs.frozen(kw_only=True)
class ObservedVolume:
    """A recorded volume."""

    spec: VolumeSpec
    path: str
    damage: str = ""


@attrs.frozen(kw_only=True)
class Observed:
    """One snapshot of everything that exists of a stack; taken once before each decision.

    ``every_volume`` holds the names of all volumes of the store, whoever made them.
    ``images`` maps each image reference that the stack names to the id in the store (absent when
    not there), ``image_ages`` to the seconds since it was last pulled, built or tagged.  ``reads`` are
    the names of images that the Dockerfile of an image reads from, for images that the stack can build.
    Containers are sorted by service, number and generation.
    ``networks`` are the stack's own, ``foreign`` those of others that it uses or asks for.
    """

    containers: tuple[ObservedContainer, ...] = ()
    networks: Mapping[str, ObservedNetwork] = attrs.field(factory=dict)
    foreign: Mapping[str, ObservedNetwork] = attrs.field(factory=dict)
    volumes: Mapping[str, ObservedVolume] = attrs.field(factory=dict)
    every_volume: frozenset[str] = frozenset()
    images: Mapping[str, str] = attrs.field(factory=dict)
    image_ages: Mapping[str, float] = attrs.field(factory=dict)
    reads: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
