"""A stack as its author meant it: the typed, frozen result of loading a stack file.

Nothing here is optional by accident: ``None`` always means "not written, the image or the default
decides".  Mappings are plain dictionaries that nobody changes after binding; their keys are sorted,
so that everything computed from a stack is deterministic.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from composer.model.build import Build
from composer.model.deploy import Deploy, Develop, DeviceRequest, Hook
from composer.model.limits import Limits, Ulimit
from composer.model.quantity import ByteSize, Duration


class Condition(enum.Enum):
    """What a dependency must have reached (Compose Specification, ``depends_on``)."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


class RestartKind(enum.Enum):
    """When a container that ended is started again (``restart``)."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


class MountKind(enum.Enum):
    """Where the content of a mount comes from."""

    BIND = "bind"
    VOLUME = "volume"
    TMPFS = "tmpfs"
    IMAGE = "image"
    NPIPE = "npipe"
    CLUSTER = "cluster"


@attrs.frozen(kw_only=True)
class RestartPolicy:
    """``restart``; ``max_retries`` counts only for ``on-failure`` (0: no bound).

    ``delay`` is the time before each start, ``None`` for composer's own back-off; a container that ran
    for ``window`` has started well, and its tries are counted anew (``deploy.restart_policy``).
    """

    kind: RestartKind = RestartKind.NO
    max_retries: int = 0
    delay: Duration | None = None
    window: Duration | None = None

    def __str__(self) -> str:
        text = f"{self.kind.value}:{self.max_retries}" if self.max_retries else self.kind.value
        for word, duration in (("after", self.delay), ("window", self.window)):
            text += "" if duration is None else f" {word} {duration}"
        return text


@attrs.frozen(kw_only=True)
class Dependency:
    """One entry of ``depends_on``."""

    condition: Condition = Condition.STARTED
    required: bool = True
    restart: bool = False


@attrs.frozen(kw_only=True)
class Healthcheck:
    """How health is probed.  ``test`` is the argv form (``["CMD", ...]`` or ``["CMD-SHELL", s]``).

    ``None`` means "as the image says, else the default"; ``disabled`` overrules the image.
    """

    test: tuple[str, ...] | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: int | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    disabled: bool = False


@attrs.frozen(kw_only=True, order=True)
class PublishedPort:
    """One port of the container made reachable on the host.

    ``published`` is 0 when any free port will do; ``host_ip`` is "" for every address.
    """

    target: int
    published: int = 0
    host_ip: str = ""
    protocol: str = "tcp"
    last: int = 0
    """The end of a published range, of which any free port will do; 0 for none."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is published, as lists show it: on every address of both families, or on one."""
        return (self.host_ip,) if self.host_ip else ("0.0.0.0", "::")  # noqa: S104 -- shown, not bound

    @property
    def is_settled(self) -> bool:
        """Whether there is no choice: neither a random port nor one of a range."""
        return self.published > 0 and not self.last

    def __str__(self) -> str:
        host = f"[{self.host_ip}]:" if ":" in self.host_ip else f"{self.host_ip}:" if self.host_ip else ""
        published = f"{self.published}-{self.last}" if self.last else f"{self.published or ''}"
        return f"{host}{published}:{self.target}/{self.protocol}"


@attrs.frozen(kw_only=True)
class Mount:
    """Something mounted at ``target``.

    ``source`` is an absolute host path (bind), the key of a top-level volume (volume; "" for an
    anonymous one), an image, or "" (tmpfs).  ``recursive`` says whether mounts below a bind come
    along (``enabled``, ``disabled``, ``writable``, ``readonly``); ``labels`` are those of an
    anonymous volume; ``subpath`` is a directory in the volume or image; ``tmpfs_options`` are further
    words of mount(8).
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
    selinux: str = ""
    subpath: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    tmpfs_options: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class FileGrant:
    """A config or secret that a service may read: ``source`` is the top-level key."""

    source: str
    target: str
    uid: str | None = None
    gid: str | None = None
    mode: int = 0o444


@attrs.frozen(kw_only=True)
class FileDefinition:
    """A top-level config or secret, its content already read (from a file, the environment, inline)."""

    key: str
    name: str
    content: bytes = attrs.field(repr=False)
    origin: str = ""


@attrs.frozen(kw_only=True)
class Attachment:
    """How a service joins one network (the mapping key is the top-level key of the network)."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_ips: tuple[str, ...] = ()
    mac_address: str | None = None
    interface_name: str | None = None
    priority: int = 0
    gw_priority: int = 0
    driver_opts: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Device:
    """A device of the host; ``permissions`` of ``rwm``.  A CDI name has source and target equal."""

    source: str
    target: str = ""
    permissions: str = ""


@attrs.frozen(kw_only=True)
class Logging:
    """Where output goes."""

    driver: str = ""
    options: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Provider:
    """Something other than a container that gives the service."""

    type: str
    options: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ModelUse:
    """Which variables tell a service about a model; "" for the names derived from the model's."""

    endpoint_var: str = ""
    model_var: str = ""


@attrs.frozen(kw_only=True)
class ModelDefinition:
    """A top-level AI model."""

    key: str
    name: str
    model: str
    context_size: int | None = None
    runtime_flags: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Namespaces:
    """Which namespaces a container shares; "" is one of its own, as the host makes them.

    Else ``host``, ``none``, ``private``, ``shareable``, ``service:NAME`` or ``container:NAME``, as far
    as each kind allows.
    """

    network: str = ""
    pid: str = ""
    ipc: str = ""
    uts: str = ""
    user: str = ""
    cgroup: str = ""


@attrs.frozen(kw_only=True)
class Resolver:
    """What ``/etc/resolv.conf`` and ``/etc/hosts`` get besides composer's own entries."""

    servers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Pool:
    """One subnet of a network (``ipam.config``)."""

    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    aux_addresses: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class NetworkDefinition:
    """A top-level network: ``key`` in the file, ``name`` on the host."""

    key: str
    name: str
    internal: bool = False
    external: bool = False
    attachable: bool = False
    driver: str = "bridge"
    driver_opts: Mapping[str, str] = attrs.field(factory=dict)
    pools: tuple[Pool, ...] = ()
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class VolumeDefinition:
    """A top-level volume: ``key`` in the file, ``name`` on the host."""

    key: str
    name: str
    external: bool = False
    driver: str = "local"
    driver_opts: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Service:
    """One service: what each of its containers is, and how many there are.

    Attributes are named as in the specification, but for those that belong together: ``limits``
    holds memory, processors and block devices, ``namespaces`` the modes (``network_mode``, ``pid``,
    ...), ``resolver`` the ``dns*`` attributes and ``extra_hosts``, ``mounts`` also ``tmpfs``,
    ``device_requests`` both ``gpus`` and reserved devices.  Attributes of Windows alone
    (``isolation``, ``credential_spec``, ``cpu_count``, ``cpu_percent``) are left out.
    """

    name: str
    image: str | None = None
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict)
    working_dir: str | None = None
    user: str | None = None
    hostname: str | None = None
    ports: tuple[PublishedPort, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: Mapping[str, Attachment] = attrs.field(factory=dict)
    depends_on: Mapping[str, Dependency] = attrs.field(factory=dict)
    healthcheck: Healthcheck | None = None
    restart: RestartPolicy = RestartPolicy()
    stop_signal: str | None = None
    stop_grace_period: Duration | None = None
    init: bool = False
    labels: Mapping[str, str] = attrs.field(factory=dict)
    profiles: tuple[str, ...] = ()
    replicas: int = 1
    secrets: tuple[FileGrant, ...] = ()
    configs: tuple[FileGrant, ...] = ()
    limits: Limits = Limits()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    read_only: bool = False
    annotations: Mapping[str, str] = attrs.field(factory=dict)
    attach: bool = True
    cgroup_parent: str | None = None
    container_name: str | None = None
    deploy: Deploy | None = None
    develop: Develop | None = None
    device_cgroup_rules: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    domainname: str | None = None
    expose: tuple[str, ...] = ()
    external_links: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    logging: Logging | None = None
    mac_address: str | None = None
    models: Mapping[str, ModelUse] = attrs.field(factory=dict)
    namespaces: Namespaces = Namespaces()
    oom_score_adj: int = 0
    platform: str | None = None
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    privileged: bool = False
    provider: Provider | None = None
    pull_policy: str | None = None
    resolver: Resolver = Resolver()
    runtime: str | None = None
    security_opt: tuple[str, ...] = ()
    shm_size: ByteSize | None = None
    stdin_open: bool = False
    storage_opt: Mapping[str, str] = attrs.field(factory=dict)
    sysctls: Mapping[str, str] = attrs.field(factory=dict)
    tty: bool = False
    ulimits: Mapping[str, Ulimit] = attrs.field(factory=dict)
    use_api_socket: bool = False
    volumes_from: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Stack:
    """A loaded stack: active services and the resources they use, by key, sorted.

    ``inactive`` holds the services that no active profile selects; ``warnings`` what the loader
    wants said once.
    """

    name: str
    directory: str
    files: tuple[str, ...]
    services: Mapping[str, Service] = attrs.field(factory=dict)
    inactive: Mapping[str, Service] = attrs.field(factory=dict)
    networks: Mapping[str, NetworkDefinition] = attrs.field(factory=dict)
    volumes: Mapping[str, VolumeDefinition] = attrs.field(factory=dict)
    configs: Mapping[str, FileDefinition] = attrs.field(factory=dict)
    secrets: Mapping[str, FileDefinition] = attrs.field(factory=dict)
    models: Mapping[str, ModelDefinition] = attrs.field(factory=dict)
    warnings: tuple[str, ...] = ()
