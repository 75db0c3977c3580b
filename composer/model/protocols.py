"""The seams: what the engine and the builder ask of the capabilities below them.

Every method is synchronous, may block, is safe to call from several threads at once and is atomic:
it completes, or it undoes what it began, or it leaves something that the same call made again (or
``remove``) puts right.  The engine calls them in worker threads.  Each protocol has a fake in
``tests/fakes`` that passes the same contract tests as the real driver.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import attrs

from composer.model import pulling
from composer.model.container import ContainerMount, ContainerSpec, NetworkMembership, NetworkSpec
from composer.model.distribution import Report
from composer.model.image import HistoryEntry, Image, ImageConfig
from composer.model.limits import Limits, Ulimit
from composer.model.pulling import PullPolicy
from composer.model.stack import PublishedPort


class Clock(Protocol):
    """Time, so that tests own it."""

    def monotonic(self) -> float:
        """Seconds that never jump: intervals, back-off, deadlines."""

    def wall(self) -> float:
        """Unix seconds: display only."""


class Interrupt(Protocol):
    """Asks a long synchronous call to stop; checked between its steps."""

    @property
    def is_set(self) -> bool:
        """Whether the call should stop and raise ``Interrupted``."""

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back (from another thread) when set; returns the function that unregisters."""


# --------------------------------------------------------------------------- images


class ImageStore(Protocol):
    """Images and their unpacked layers, shared by every stack and process of the host."""

    def find(self, reference: str) -> Image | None:
        """The image that a reference, an id or an unambiguous id prefix names."""

    def get(self, reference: str) -> Image:
        """As ``find``; raises ``ImageNotFound`` with the commands that can make one."""

    def list(self) -> Sequence[Image]:
        """Every image, newest first."""

    def layer_paths(self, image: Image) -> tuple[Path, ...]:
        """The unpacked layers, lowest first; raises ``StoreDamaged`` when one is missing."""

    def paths_of_layers(self, layers: Sequence[str]) -> tuple[Path, ...]:
        """The unpacked directories of diffIDs, in the order given."""

    def add_layer(self, upper: Path) -> str:
        """Publish an overlay upper directory as a layer; returns its diffID.

        ``upper`` must lie in ``staging()``; it is moved away.  Overlay whiteouts and opaque marks
        become part of the layer's canonical tar.
        """

    def lease(self) -> AbstractContextManager[None]:
        """Nothing is deleted from the store until the block ends; for builds and whatever gathers images."""

    def staging(self, name: str) -> Path:
        """A fresh directory of the store for work in progress; swept when its process is dead."""

    def add_image(
        self,
        config: ImageConfig,
        layers: Sequence[str],
        *,
        history: Sequence[HistoryEntry] = (),
        tags: Sequence[str] = (),
        created: str = "",
    ) -> Image:
        """Write the configuration, record the image and tag it, in one transaction."""

    def tag(self, reference: str, image_id: str) -> None:
        """Let a reference name an image; it stops naming any other."""

    def remove(self, reference: str, *, force: bool = False) -> Sequence[str]:
        """Untag; delete the image when nothing names or uses it.  Returns lines as Docker prints."""

    def cached(self, key: str) -> tuple[str, ...] | None:
        """The layer (a 1-tuple of a diffID) or nothing (empty tuple) that a build step gave."""

    def remember(self, key: str, layers: tuple[str, ...]) -> None:
        """Record what a build step with this content key gave."""

    @property
    def build_state(self) -> Path:
        """The directory that belongs to builds: cache mounts and what else outlives a build."""


class ImageSource(Protocol):
    """Images wherever they are: in the store, or at a registry that they are fetched from."""

    def ensure(
        self,
        name: str,
        policy: PullPolicy = pulling.MISSING,
        *,
        platform: str = "",
        report: Report | None = None,
        interrupt: Interrupt | None = None,
    ) -> Image:
        """The image of that name, fetched as the policy says; ``platform`` "" is this host's.

        ``REFRESH`` goes by the moment of the last pull or tag.  ``BUILD`` and ``NEVER`` fetch nothing.
        Raises ``ImageNotFound``, ``RegistryError`` and its kinds, ``Interrupted``.
        """


class Builder(Protocol):
    """Builds images from Dockerfiles."""

    def build(
        self,
        request: BuildRequest,
        say: Callable[[str], None],
        interrupt: Interrupt,
        *,
        report: Callable[[StepReport], None] | None = None,
        keep: Callable[[str, tuple[str, ...]], None] | None = None,
    ) -> Image:
        """Build, tag and return; ``say`` receives progress and output lines, ``report`` the same as values.

        ``keep`` is told of every step its content key and the layer (or nothing) that it gave.
        Raises ``BuildError`` (with the output's tail), ``ImageNotFound``, ``Interrupted``.
        """

    def check(self, request: BuildRequest, interrupt: Interrupt) -> Sequence[str]:
        """Look at the Dockerfile without building: a text for each thing that is probably not meant.

        Raises ``BuildError`` for what is no Dockerfile, ``Interrupted``.
        """


@attrs.frozen(kw_only=True)
class BuildRequest:
    """One build with everything settled.

    ``context`` is a directory, a tar archive (a file), or the address of a git repository or archive;
    ``contexts`` are the named ones, by name, which may also be ``docker-image://``.  ``dockerfile`` is
    relative to the context.  ``uncached`` names stages that are built anew,
    ``no_cache`` stands for all.  ``network`` is that of RUN: ``default``, ``none`` or ``host``.
    ``secrets`` are contents by id, ``ssh`` agents' sockets (or key files) by id.  ``hosts`` are name
    and address of lines for ``/etc/hosts``; the address may be ``host-gateway``.  ``entitlements``
    are BuildKit's: ``network.host``, ``security.insecure``.  ``epoch`` is ``SOURCE_DATE_EPOCH``.
    """

    context: Path | str
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str | None = None
    args: Mapping[str, str] = attrs.field(factory=dict)
    target: str | None = None
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = attrs.field(factory=dict)
    annotations: Mapping[str, str] = attrs.field(factory=dict)
    no_cache: bool = False
    uncached: tuple[str, ...] = ()
    pulls: bool = False
    platform: str = ""
    contexts: Mapping[str, str] = attrs.field(factory=dict)
    network: str = "default"
    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int | None = None
    ulimits: Mapping[str, Ulimit] = attrs.field(factory=dict)
    secrets: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    ssh: Mapping[str, str] = attrs.field(factory=dict)
    entitlements: frozenset[str] = frozenset()
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    epoch: int | None = None


class StepState(enum.Enum):
    """Where a step of a build stands."""

    WORKING = "working"
    CACHED = "cached"
    DONE = "done"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class StepReport:
    """Progress of one step of a build, or (``number`` 0) a sentence that belongs to none.

    ``line`` is a line that the step printed, ``elapsed`` the seconds since it began.
    """

    number: int
    title: str
    state: StepState
    elapsed: float = 0.0
    line: str | None = None


# --------------------------------------------------------------------------- runtime


@attrs.frozen(kw_only=True)
class MaterialFile:
    """Content to be put at ``target`` in a container, read-only, never on disk in clear."""

    target: str
    content: bytes = attrs.field(repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = 0o444


@attrs.frozen(kw_only=True)
class BindMount:
    """A directory or file of the host to be mounted; ``source`` exists.

    With ``layers`` the source is below the tree that these layers of an image make together (lowest
    first); the mount is read-only unless there is a ``scratch``, an empty directory of the caller
    that takes what is written.  With ``peer`` it is a path in the mount namespace of that
    process.  ``is_held`` says that the source is a descriptor of ours, which means nothing elsewhere.
    ``flags`` are further words of mount(8) (``nosuid``, ``nodev``, ``noexec``).
    """

    source: Path
    layers: tuple[Path, ...] = ()
    scratch: Path | None = None
    peer: int = 0
    is_held: bool = False
    target: str
    read_only: bool = False
    propagation: str = ""
    recursive: str = ""
    flags: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ContainerRequest:
    """Everything the runtime needs to create one container from its specification.

    ``spec`` and ``image`` give process, limits and security; ``layers`` are lowest first;
    ``binds`` are all bind and volume mounts with their sources settled (tmpfs mounts come from
    ``spec``); ``network_namespace`` is a path the runtime can open (``/proc/PID/fd/N``), "" for the
    runtime to make an empty one, ``None`` for the host's; ``namespaces`` says of other kinds (``pid``,
    ``ipc``, ``uts``, ``cgroup``) whose they are, where not the container's own: a path, or ``host``;
    ``hostname`` is another container's where the network is, "" for its own; ``hosts`` are lines
    for ``/etc/hosts``, ``name_servers`` go to ``/etc/resolv.conf``.
    """

    id: str
    spec: ContainerSpec
    image: ImageConfig
    layers: tuple[Path, ...]
    upper: Path
    work: Path
    log: Path
    binds: tuple[BindMount, ...] = ()
    network_namespace: str | None = ""
    namespaces: Mapping[str, str] = attrs.field(factory=dict)
    hostname: str = ""
    hosts: tuple[tuple[str, str], ...] = ()
    name_servers: tuple[str, ...] = ()
    search_domains: tuple[str, ...] = ()
    resolver_options: tuple[str, ...] = ()
    exit_command: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class ProcessIdentity:
    """A process that cannot be mistaken for another: pid, start time (clock ticks) and boot id."""

    pid: int
    start_time: int
    boot_id: str


@attrs.frozen(kw_only=True)
class RuntimeState:
    """What the kernel and conmon's files say of one container.

    ``init`` is set when the first process lives (created or running), ``exit_code`` when conmon
    recorded one.  ``is_monitored`` is false when conmon is gone while the process lives.  ``is_paused``
    says that the cgroup of a running container is frozen.
    """

    exists: bool
    is_running: bool = False
    init: ProcessIdentity | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    finished_at: float = 0.0
    is_monitored: bool = True
    is_paused: bool = False


@attrs.frozen(kw_only=True)
class ExecRequest:
    """A further process in a running container.

    ``is_privileged`` gives it every capability; ``console`` is rows and columns of its terminal.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(factory=dict)
    user: str | None = None
    working_dir: str | None = None
    tty: bool = False
    is_privileged: bool = False
    console: tuple[int, int] | None = None


@attrs.frozen(kw_only=True)
class ExecResult:
    """How it ended; ``exit_code`` is ``None`` when the timeout killed it.  ``output`` is bounded."""

    exit_code: int | None
    output: bytes


class StepRuntime(Protocol):
    """What a build asks of the runtime."""

    def run_step(self, request: StepRequest, say: Callable[[bytes], None], interrupt: Interrupt) -> int:
        """Run one build step (RUN) to its end in a prepared root; returns its exit code."""


class Runtime(StepRuntime, Protocol):
    """Containers: overlay root, OCI runtime, conmon."""

    def write_files(self, container_id: str, files: Sequence[MaterialFile]) -> None:
        """Put config and secret content where ``create`` mounts it from (tmpfs)."""

    def has_files(self, container_id: str) -> bool:
        """Whether that content is (still) there; it does not survive a reboot."""

    def create(self, request: ContainerRequest) -> ProcessIdentity:
        """Mount the root, start conmon, let the runtime create; returns the init process.

        What a former incarnation left at the runtime under this id is deleted first.
        """

    def start(self, container_id: str) -> None:
        """Let the created first process run its program."""

    def kill(self, container_id: str, signal: int) -> None:
        """Signal the first process, by pidfd after checking its identity; no error when it is gone."""

    def kill_all(self, container_id: str) -> None:
        """SIGKILL every process of the container's cgroup, frozen or not."""

    def pause(self, container_id: str) -> None:
        """Freeze every process; returns when all are.  Raises ``RuntimeFailure`` after a deadline."""

    def resume(self, container_id: str) -> None:
        """Let frozen processes go on; no error when none is."""

    def release(self, container_id: str) -> None:
        """Delete runtime state, cgroup, mounts and run directory; keep layer, log and files."""

    def remove(self, container_id: str) -> None:
        """``release`` and forget files as well; idempotent."""

    def state(self, container_id: str) -> RuntimeState:
        """What is true now."""

    def update_limits(self, container_id: str, limits: Limits) -> None:
        """Change limits in place."""

    def execute(self, container_id: str, request: ExecRequest, *, seconds: float) -> ExecResult:
        """Run a process in the container and capture its output (health probes)."""


@attrs.frozen(kw_only=True)
class StepRequest:
    """A RUN step: a process in a throw-away container over ``layers`` with writable ``upper``.

    ``network_namespace`` is as in ``ContainerRequest`` but for the host's, which ``host_network``
    asks for.  What is made to mount ``binds``, ``tmpfs`` and ``files`` at is gone when the step ends.
    ``is_insecure`` lifts the security baseline as ``privileged`` does for a container.
    """

    id: str
    layers: tuple[Path, ...]
    upper: Path
    work: Path
    argv: tuple[str, ...]
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    user: str = ""
    working_dir: str = "/"
    hostname: str = "buildkitsandbox"
    network_namespace: str = ""
    name_servers: tuple[str, ...] = ()
    search_domains: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    host_network: bool = False
    binds: tuple[BindMount, ...] = ()
    tmpfs: tuple[ContainerMount, ...] = ()
    files: tuple[MaterialFile, ...] = ()
    shm_size: int | None = None
    ulimits: Mapping[str, Ulimit] = attrs.field(factory=dict)
    is_insecure: bool = False


# --------------------------------------------------------------------------- network


@attrs.frozen(kw_only=True)
class NetworkState:
    """A leased network and what the kernel has of it; ``damage`` is "" when it is whole."""

    spec: NetworkSpec
    subnet: str
    gateway: str
    bridge: str
    damage: str = ""
    subnet6: str = ""
    gateway6: str = ""
    created: float = 0.0


@attrs.frozen(kw_only=True)
class Endpoint:
    """One container on one network: the leased addresses are kept until ``release_container``.

    ``address`` is IPv4 and ``address6`` IPv6, each "" where the network has none of the kind.
    """

    container_id: str
    network: str
    address: str
    interface: str
    names: tuple[str, ...] = ()
    address6: str = ""
    mac: str = ""
    gateway: str = ""
    """The host's own address on the network; "" where it has none (``macvlan``, ``isolated``)."""


class NamespaceHandle(Protocol):
    """A network namespace kept alive by a descriptor until a container holds it."""

    @property
    def path(self) -> str:
        """``/proc/PID/fd/N``: what the OCI configuration names."""

    def close(self) -> None:
        """Give the descriptor up."""


class BuildNamespace(NamespaceHandle, Protocol):
    """The namespace of a build's steps."""

    @property
    def gateway(self) -> str:
        """The host's address as seen from inside."""


class StepNetwork(Protocol):
    """What a build asks of the network."""

    def build_namespace(self) -> BuildNamespace:
        """A namespace with a way out for RUN steps; ``close`` removes everything of it."""


class Network(StepNetwork, Protocol):
    """Bridges, links, addresses, published ports and firewall rules."""

    def create(self, spec: NetworkSpec) -> NetworkState:
        """Lease a subnet, make the bridge and the stack's rules; idempotent (also the repair)."""

    def remove(self, name: str) -> None:
        """Remove bridge, rules and lease; idempotent."""

    def observe(self, stack: str) -> Mapping[str, NetworkState]:
        """The stack's recorded networks by name, each with its damage."""

    def observe_foreign(self, stack: str, wanted: Iterable[str] = ()) -> Mapping[str, NetworkState]:
        """Other stacks' networks, with damage: those this one's containers are on, and ``wanted``."""

    def observe_all(self) -> Mapping[str, NetworkState]:
        """Every recorded network, with damage."""

    def connect(
        self,
        container_id: str,
        memberships: Mapping[str, NetworkMembership],
        names: Sequence[str],
        ports: Sequence[PublishedPort],
        *,
        stack: str,
    ) -> tuple[NamespaceHandle, tuple[Endpoint, ...], tuple[PublishedPort, ...]]:
        """Make a namespace with one link per network (``eth0`` first, by priority and name).

        Leases addresses (the same as before, where free) and host ports (sticky when random),
        publishes the ports.  Raises ``PortTaken``.  ``names`` are what DNS answers besides the
        memberships' aliases.
        """

    def attach(
        self,
        container_id: str,
        pid: int,
        network: str,
        membership: NetworkMembership,
        names: Sequence[str],
        *,
        stack: str,
    ) -> Endpoint:
        """Put a running container (first process ``pid``) on one more network; all of it or nothing."""

    def detach(self, container_id: str, pid: int, network: str) -> None:
        """Take a container off a network and its lease away; idempotent.  ``pid`` 0: it does not run."""

    def reconnect(self, container_id: str, pid: int, network: str) -> Endpoint:
        """Give a running container (first process ``pid``) its lost link back."""

    def links(self, stack: str) -> Mapping[str, frozenset[str]]:
        """For each container id the networks whose host-side link exists in the kernel."""

    def disconnect(self, container_id: str) -> None:
        """The container stopped: drop rules and links, keep its leases."""

    def release_container(self, container_id: str) -> None:
        """The container is removed: drop its leases as well."""

    def rename(self, container_id: str, old: str, new: str) -> None:
        """Where DNS answered to the name ``old`` of this container, it answers to ``new``."""

    def endpoints(self, stack: str) -> Sequence[Endpoint]:
        """Every endpoint on the stack's networks (what DNS answers from)."""

    def published(self, container_id: str) -> tuple[PublishedPort, ...]:
        """The container's published ports with the host ports chosen."""
