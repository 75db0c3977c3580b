"""The OCI configuration of a container, as a pure function (runtime-spec v1.0.2, ``config.json``).

Everything that had to be looked up (numeric user, resolved mount targets, host limits, the seccomp
program) comes in as ``SpecInput``; the result depends on nothing else, so tests read it as data.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from composer import errors
from composer.model.container import ContainerMount, ContainerSpec
from composer.model.image import ImageConfig
from composer.model.limits import Limits, Ulimit
from composer.model.security import Security
from composer.model.stack import MountKind
from composer.runtime import defaults, devices, resources
from composer.runtime.users import User

Config = dict[str, Any]  # JSON of the OCI specification

NAMESPACES = ("pid", "ipc", "uts", "mount", "cgroup")
HOST = "host"
"""In place of a path: the host's own namespace."""
INIT_PATH = "/sbin/docker-init"
"""Where the init helper is mounted (the path Docker uses)."""

_SHM = "/dev/shm"  # noqa: S108 -- inside the container
NO_LIMIT = 2**64 - 1
"""``RLIM_INFINITY``."""


@attrs.frozen(kw_only=True)
class HostFacts:
    """What the specification needs to know of the host.

    ``capabilities`` are those that we can hand on (our bounding set); ``hard_limits`` this process's
    hard limits by ``RLIMIT_`` name, which only ``CAP_SYS_RESOURCE`` may raise; ``has_one_hierarchy`` says
    that cgroups are v2 alone.
    """

    cpus: int = 1
    nofile_hard: int = 1048576
    has_memory_swap: bool = True
    has_one_hierarchy: bool = False
    has_apparmor: bool = False
    has_selinux: bool = False
    capabilities: frozenset[str] = frozenset(defaults.ALL_CAPABILITIES)
    hard_limits: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class PlacedMount:
    """A bind mount whose target was resolved and made beneath the container's root."""

    source: str
    target: str
    read_only: bool = False
    is_file: bool = False
    propagation: str = ""
    recursive: str = ""
    flags: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class SpecInput:
    """Everything ``config_for`` depends on.

    ``network_namespace`` is a path, "" for a new one, ``None`` for the host's; ``namespaces`` says the
    same of the other kinds that are not the container's own: a path or ``HOST``.  ``shm_size`` is in
    bytes; 0 leaves ``/dev/shm`` out.
    """

    id: str
    root: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    working_dir: str
    user: User
    hostname: str
    cgroup: str
    network_namespace: str | None
    namespaces: Mapping[str, str] = attrs.field(factory=dict)
    domainname: str = ""
    binds: tuple[PlacedMount, ...] = ()
    tmpfs: tuple[ContainerMount, ...] = ()
    limits: Limits = Limits()
    block_devices: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)
    capabilities: tuple[str, ...] = defaults.CAPABILITIES
    security: Security = Security()
    seccomp: Config | None = None
    devices: tuple[devices.Node, ...] = ()
    device_rules: tuple[Config, ...] = ()
    is_privileged: bool = False
    shm_size: int | None = None
    sysctls: Mapping[str, str] = attrs.field(factory=dict)
    ulimits: Mapping[str, Ulimit] = attrs.field(factory=dict)
    oom_score_adj: int = 0
    annotations: tuple[tuple[str, str], ...] = ()
    hooks: Mapping[str, tuple[Config, ...]] = attrs.field(factory=dict)
    is_read_only: bool = False
    has_terminal: bool = False
    facts: HostFacts = HostFacts()


def config_for(given: SpecInput) -> Config:
    """The ``config.json`` of one container."""
    has_own_uts = given.namespaces.get("uts") is None
    hides = given.security.hides_paths
    return {
        "ociVersion": "1.0.2",
        "root": {"path": given.root, "readonly": given.is_read_only},
        **({"hostname": given.hostname} if has_own_uts else {}),
        **({"domainname": given.domainname} if has_own_uts and given.domainname else {}),
        "process": _process(given),
        "mounts": [
            *_system_mounts(given),
            *_outer_first([*_tmpfs_mounts(given.tmpfs), *_bind_mounts(given.binds)]),
        ],
        "annotations": dict(given.annotations),
        **({"hooks": {name: list(them) for name, them in given.hooks.items()}} if given.hooks else {}),
        "linux": {
            "cgroupsPath": given.cgroup,
            "namespaces": _namespaces(given),
            "devices": [devices.entry_of(node) for node in given.devices],
            "sysctl": dict(given.sysctls),
            "resources": resources.resources_for(
                given.limits,
                has_swap=given.facts.has_memory_swap,
                device_rules=(*map(devices.rule_of, given.devices), *given.device_rules),
                allows_every_device=given.is_privileged,
                numbers=given.block_devices,
            ),
            "rootfsPropagation": _root_propagation(given.binds),
            "maskedPaths": [*defaults.MASKED_PATHS, *defaults.thermal_throttle_paths(given.facts.cpus)]
            if hides
            else [],
            "readonlyPaths": list(defaults.READ_ONLY_PATHS) if hides else [],
            **({"seccomp": given.seccomp} if given.seccomp else {}),
            **({"mountLabel": label} if (label := _selinux_label(given)) else {}),
        },
    }


def _process(given: SpecInput) -> Config:
    """The first program.

    No ambient and no inheritable capabilities (CVE-2022-24769).
    """
    process: Config = {
        "terminal": given.has_terminal,
        "user": _user(given.user),
        "args": list(given.argv),
        "env": list(given.environment),
        "cwd": given.working_dir,
        "capabilities": _capabilities(given.capabilities, given.user),
        # Explicit: the tools' own default is on, and setuid programs of images need it off.
        "noNewPrivileges": given.security.no_new_privileges,
        "rlimits": rlimits_for(given.ulimits, given.facts),
        "oomScoreAdj": given.oom_score_adj,
    }
    if given.security.apparmor and given.facts.has_apparmor:
        process["apparmorProfile"] = given.security.apparmor
    if label := _selinux_label(given):
        process["selinuxLabel"] = label
    return process


def exec_process(
    first: Config,
    *,
    argv: tuple[str, ...],
    environment: tuple[str, ...],
    working_dir: str,
    user: User,
    has_terminal: bool,
    capabilities: tuple[str, ...] = (),
    console: tuple[int, int] | None = None,
) -> Config:
    """The OCI ``process`` of a further program: bounds and labels of the first one, its own user.

    ``capabilities`` are those of the first one where none are given; ``console`` is rows and columns.
    """
    size = {} if console is None else {"consoleSize": {"height": console[0], "width": console[1]}}
    return {
        **first,
        **size,
        "terminal": has_terminal,
        "user": _user(user),
        "args": list(argv),
        "env": list(environment),
        "cwd": working_dir,
        "capabilities": _capabilities(capabilities or tuple(first["capabilities"]["bounding"]), user),
    }


def _user(user: User) -> Config:
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}


def _capabilities(granted: tuple[str, ...], user: User) -> Config:
    """A user other than root keeps the bounding set only: setuid programs work, nothing else is gained."""
    effective = list(granted) if user.uid == 0 else []
    return {
        "bounding": list(granted),
        "effective": effective,
        "permitted": effective,
        "inheritable": [],
        "ambient": [],
    }


def rlimits_for(ulimits: Mapping[str, Ulimit], facts: HostFacts) -> list[Config]:
    """``ulimits`` as OCI ``rlimits``; never above what this host lets us hand on."""
    wanted = {"nofile": Ulimit(soft=facts.nofile_hard, hard=facts.nofile_hard), **ulimits}
    found = []
    for name, limit in sorted(wanted.items()):
        kind = f"RLIMIT_{name.upper()}"
        most = facts.hard_limits.get(kind, NO_LIMIT)
        hard = min(NO_LIMIT if limit.hard < 0 else limit.hard, most)
        soft = min(NO_LIMIT if limit.soft < 0 else limit.soft, hard)
        found.append({"type": kind, "soft": soft, "hard": hard})
    return found


def _selinux_label(given: SpecInput) -> str:
    """Only whole labels can be passed on; composing one from parts is the policy's business."""
    if not given.facts.has_selinux or "disable" in given.security.selinux:
        return ""
    parts = dict(option.partition(":")[::2] for option in given.security.selinux)
    if not parts:
        return ""
    fields = (("user", "system_u"), ("role", "system_r"), ("type", "container_t"), ("level", "s0"))
    return ":".join(parts.get(key, default) for key, default in fields)


def _root_propagation(binds: tuple[PlacedMount, ...]) -> str:
    """A bind can pass mounts on only below a root that does."""
    wanted = {bind.propagation for bind in binds}
    if wanted & {"shared", "rshared"}:
        return "rshared"
    return "rslave" if wanted & {"slave", "rslave"} else "rprivate"


def _namespaces(given: SpecInput) -> list[Config]:
    namespaces: list[Config] = []
    kinds = {kind: given.namespaces.get(kind, "") for kind in NAMESPACES}
    kinds["network"] = HOST if given.network_namespace is None else given.network_namespace
    for kind, path in kinds.items():
        if path != HOST:
            namespaces.append({"type": kind, "path": path} if path else {"type": kind})
    return namespaces


def _system_mounts(given: SpecInput) -> list[Config]:
    quiet = ["nosuid", "noexec", "nodev"]
    access = [] if given.is_privileged else ["ro"]
    has_cgroups = given.is_privileged or given.security.has_writable_cgroups
    mounts: list[Config] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": quiet},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        },
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, *access]},
        {
            "destination": "/sys/fs/cgroup",
            "type": "cgroup",
            "source": "cgroup",
            "options": ["rw" if has_cgroups else "ro", "nosuid", "noexec", "nodev"],
        },
    ]
    ipc = given.namespaces.get("ipc", "")
    # The kernel shows the queues of the IPC namespace in which this is mounted: also the host's.
    mounts.append({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": quiet})
    if ipc == HOST:
        mounts.append({"destination": _SHM, "type": "bind", "source": _SHM, "options": ["rbind", "rw"]})
    elif ipc == "" and given.shm_size != 0 and not any(bind.target == _SHM for bind in given.binds):
        size = given.shm_size or defaults.SHM_SIZE
        options = [*quiet, "mode=1777", f"size={size}"]
        mounts.append({"destination": _SHM, "type": "tmpfs", "source": "shm", "options": options})
    return mounts


def _tmpfs_mounts(mounts: tuple[ContainerMount, ...]) -> list[Config]:
    placed = []
    for mount in mounts:
        options = ["no" + word for word in ("suid", "dev", "exec") if word not in mount.tmpfs_options] + [
            *mount.tmpfs_options
        ]
        if mount.tmpfs_size is not None:
            options.append(f"size={int(mount.tmpfs_size)}")
        options.append(f"mode={mount.tmpfs_mode if mount.tmpfs_mode is not None else 0o1777:o}")
        if mount.read_only:
            options.append("ro")
        placed.append({"destination": mount.target, "type": "tmpfs", "source": "tmpfs", "options": options})
    return placed


def _bind_mounts(binds: tuple[PlacedMount, ...]) -> list[Config]:
    return [
        {
            "destination": bind.target,
            "type": "bind",
            "source": bind.source,
            "options": _bind_options(bind),
        }
        for bind in binds
    ]


def _outer_first(mounts: list[Config]) -> list[Config]:
    """A mount hides what was mounted below its place before."""
    return sorted(mounts, key=lambda mount: mount["destination"].rstrip("/").count("/"))


def _bind_options(bind: PlacedMount) -> list[str]:
    """Mounts below the source come along unless ``recursive: disabled`` (``bind`` in place of ``rbind``)."""
    return [
        "bind" if bind.recursive == "disabled" else "rbind",
        bind.propagation or "rprivate",
        "ro" if bind.read_only else "rw",
        *bind.flags,
        *(["rro"] if bind.read_only and bind.recursive == "readonly" else []),
    ]


def tmpfs_mounts_of(spec: ContainerSpec) -> tuple[ContainerMount, ...]:
    """The tmpfs mounts a container asked for."""
    return tuple(mount for mount in spec.mounts if mount.kind is MountKind.TMPFS)


def argv_of(spec: ContainerSpec, image: ImageConfig) -> tuple[str, ...]:
    """Entrypoint and command: the service's over the image's; its own entrypoint drops the image's."""
    entrypoint = image.entrypoint or () if spec.entrypoint is None else spec.entrypoint
    if spec.command is not None:
        command = spec.command
    else:
        command = (image.command or ()) if spec.entrypoint is None else ()
    argv = (*entrypoint, *command)
    if not argv:
        message = f"{spec.name}: neither the service nor its image says what to run"
        raise errors.OperationFailed(message, hint="Give the service a command.")
    return (INIT_PATH, "--", *argv) if spec.init else argv


def environment_of(
    spec: ContainerSpec,
    image: ImageConfig,
    *,
    home: str,
    hostname: str,
    of_devices: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str, ...]:
    """The first process's environment: the image's, then the service's, and what every program expects.

    ``of_devices`` are what CDI files set; they have the last word.
    """
    merged = {"PATH": defaults.PATH, "HOSTNAME": hostname}
    if spec.tty:
        merged["TERM"] = "xterm"
    merged.update(image.environment)
    merged.update(spec.environment)
    merged.setdefault("HOME", home)
    merged.update(of_devices)
    return tuple(f"{name}={value}" for name, value in merged.items())


def capabilities_of(spec: ContainerSpec, available: frozenset[str]) -> tuple[str, ...]:
    """The capability set of a container; raises ``OperationFailed`` for unknown or missing ones.

    "All" is all that this host lets us hand on, as with Docker.
    """
    if spec.privileged:
        return tuple(sorted(available))
    try:
        granted = defaults.capabilities(spec.cap_add, spec.cap_drop)
        named = {defaults.normalised(name) for name in spec.cap_add}
    except ValueError as error:
        raise errors.OperationFailed(f"{spec.name}: {error}") from error
    missing = sorted(named - available - {"ALL"})
    if missing:
        message = f"{spec.name}: this host cannot give {', '.join(missing)}"
        raise errors.OperationFailed(message, hint="Our own bounding set lacks it (capabilities(7)).")
    return tuple(name for name in granted if name in available)
