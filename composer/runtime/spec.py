"""The OCI configuration of a container, as a pure function (runtime-spec v1.0.2, ``config.json``).

Everything that had to be looked up (numeric user, resolved mount targets, host limits, the seccomp
program) comes in as ``SpecInput``; the result depends on nothing else, so tests read it as data.
"""

from __future__ import annotations

from typing import Any

import attrs

from composer import errors
from composer.model.container import ContainerMount, ContainerSpec
from composer.model.image import ImageConfig
from composer.model.limits import Limits
from composer.model.stack import MountKind
from composer.runtime import defaults
from composer.runtime.users import User

Config = dict[str, Any]  # JSON of the OCI specification

_NAMESPACES = ("pid", "ipc", "uts", "mount", "cgroup")
INIT_PATH = "/sbin/docker-init"
"""Where the init helper is mounted (the path Docker uses)."""


@attrs.frozen(kw_only=True)
class HostFacts:
    """What the specification needs to know of the host."""

    cpus: int = 1
    nofile_hard: int = 1048576
    has_memory_swap: bool = True


@attrs.frozen(kw_only=True)
class PlacedMount:
    """A bind mount whose target was resolved and made beneath the container's root."""

    source: str
    target: str
    read_only: bool = False
    is_file: bool = False


@attrs.frozen(kw_only=True)
class SpecInput:
    """Everything ``config_for`` depends on."""

    id: str
    root: str
    argv: tuple[str, ...]
    environment: tuple[str, ...]
    working_dir: str
    user: User
    hostname: str
    cgroup: str
    network_namespace: str | None
    binds: tuple[PlacedMount, ...] = ()
    tmpfs: tuple[ContainerMount, ...] = ()
    limits: Limits = Limits()
    capabilities: tuple[str, ...] = defaults.CAPABILITIES
    seccomp: Config | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    is_read_only: bool = False
    has_terminal: bool = False
    facts: HostFacts = HostFacts()


def config_for(given: SpecInput) -> Config:
    """The ``config.json`` of one container."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": given.root, "readonly": given.is_read_only},
        "hostname": given.hostname,
        "process": process_for(
            argv=given.argv,
            environment=given.environment,
            working_dir=given.working_dir,
            user=given.user,
            capabilities=given.capabilities,
            has_terminal=given.has_terminal,
            facts=given.facts,
        ),
        "mounts": [*_system_mounts(), *_tmpfs_mounts(given.tmpfs), *_bind_mounts(given.binds)],
        "annotations": dict(given.annotations),
        "linux": {
            "cgroupsPath": given.cgroup,
            "namespaces": _namespaces(given.network_namespace),
            "devices": [],
            "resources": resources_for(given.limits, has_swap=given.facts.has_memory_swap),
            "rootfsPropagation": "rprivate",
            "maskedPaths": [*defaults.MASKED_PATHS, *defaults.thermal_throttle_paths(given.facts.cpus)],
            "readonlyPaths": list(defaults.READ_ONLY_PATHS),
            **({"seccomp": given.seccomp} if given.seccomp is not None else {}),
        },
    }


def process_for(
    *,
    argv: tuple[str, ...],
    environment: tuple[str, ...],
    working_dir: str,
    user: User,
    capabilities: tuple[str, ...],
    has_terminal: bool,
    facts: HostFacts,
) -> Config:
    """The OCI ``process``: of a container's first program and of every ``exec``.

    No ambient and no inheritable capabilities (CVE-2022-24769); a user other than root keeps the
    bounding set only, so that setuid programs of the image work and nothing else is gained.
    """
    effective = list(capabilities) if user.uid == 0 else []
    return {
        "terminal": has_terminal,
        "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
        "args": list(argv),
        "env": list(environment),
        "cwd": working_dir,
        "capabilities": {
            "bounding": list(capabilities),
            "effective": effective,
            "permitted": effective,
            "inheritable": [],
            "ambient": [],
        },
        # Explicit: the tools' own default is on, and setuid programs of images need it off.
        "noNewPrivileges": False,
        "rlimits": [
            {"type": "RLIMIT_NOFILE", "soft": facts.nofile_hard, "hard": facts.nofile_hard},
        ],
        "oomScoreAdj": 0,
    }


def resources_for(limits: Limits, *, has_swap: bool = True) -> Config:
    """Limits and device rules (OCI ``resources``; the runtime maps them to cgroup v1 or v2)."""
    resources: Config = {
        "pids": {"limit": defaults.PIDS_LIMIT if limits.pids is None else _unlimited(limits.pids)},
        "devices": [
            {"allow": False, "access": "rwm"},
            # Making a node is harmless while opening it is denied (Docker's rule for builds).
            {"allow": True, "type": "c", "access": "m"},
            {"allow": True, "type": "b", "access": "m"},
            *(
                {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
                for _path, major, minor in defaults.DEVICES
            ),
            {"allow": True, "type": "c", "major": 5, "minor": 1, "access": "rwm"},
            {"allow": True, "type": "c", "major": 5, "minor": 2, "access": "rwm"},
            {"allow": True, "type": "c", "major": 136, "access": "rwm"},
        ],
    }
    if limits.memory is not None:
        memory: Config = {"limit": int(limits.memory)}
        if has_swap:
            memory["swap"] = int(limits.memory) * 2 if limits.memory > 0 else -1
        resources["memory"] = memory
    if limits.cpus is not None:
        period = 100_000
        resources["cpu"] = {"period": period, "quota": int(limits.cpus * period) or -1}
    return resources


def _unlimited(value: int) -> int:
    return value if value > 0 else -1


def _namespaces(network: str | None) -> list[Config]:
    namespaces: list[Config] = [{"type": name} for name in _NAMESPACES]
    if network is None:
        return namespaces
    entry: Config = {"type": "network"}
    if network:
        entry["path"] = network
    return [*namespaces, entry]


def _system_mounts() -> list[Config]:
    quiet = ["nosuid", "noexec", "nodev"]
    return [
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
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*quiet, "ro"]},
        {
            "destination": "/sys/fs/cgroup",
            "type": "cgroup",
            "source": "cgroup",
            "options": ["ro", "nosuid", "noexec", "nodev"],
        },
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": quiet},
        {
            "destination": "/dev/shm",  # noqa: S108 -- inside the container
            "type": "tmpfs",
            "source": "shm",
            "options": [*quiet, "mode=1777", f"size={defaults.SHM_SIZE}"],
        },
    ]


def _tmpfs_mounts(mounts: tuple[ContainerMount, ...]) -> list[Config]:
    placed = []
    for mount in mounts:
        options = ["nosuid", "nodev", "noexec"]
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
            "options": ["rbind", "rprivate", "ro" if bind.read_only else "rw"],
        }
        for bind in sorted(binds, key=lambda bind: bind.target.count("/") if bind.target != "/" else 0)
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


def environment_of(spec: ContainerSpec, image: ImageConfig, *, home: str, hostname: str) -> tuple[str, ...]:
    """The first process's environment: the image's, then the service's, and what every program expects."""
    merged = {"PATH": defaults.PATH, "HOSTNAME": hostname}
    if spec.tty:
        merged["TERM"] = "xterm"
    merged.update(image.environment)
    merged.update(spec.environment)
    merged.setdefault("HOME", home)
    return tuple(f"{name}={value}" for name, value in merged.items())


def capabilities_of(spec: ContainerSpec) -> tuple[str, ...]:
    """The capability set of a container; raises ``OperationFailed`` for unknown names."""
    try:
        return defaults.capabilities(spec.cap_add, spec.cap_drop)
    except ValueError as error:
        raise errors.OperationFailed(f"{spec.name}: {error}") from error
