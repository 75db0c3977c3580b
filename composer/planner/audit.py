"""What a stack asks for beyond the isolation that a container has when it asks for nothing.

The baseline is ``runtime.defaults`` and docs/security.md.  A finding is no fault: much of it is what a
stack is for.  It says where a container reaches the host or the world, so that nobody has to read the
whole file to know.  Values of variables are never part of a finding.
"""

from __future__ import annotations

import enum
import posixpath
import re
from collections.abc import Callable, Iterator

import attrs

from composer.model import security
from composer.model.deploy import Hook
from composer.model.stack import Mount, MountKind, Service, Stack

CONFIDENTIAL = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(^|_)(API_?|PRIVATE_?|ACCESS_?)?KEY($|_)",
    re.IGNORECASE,
)
"""Names of variables whose values are likely to be secrets."""

SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
_STRONG = frozenset(
    {
        "ALL", "BPF", "DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "NET_ADMIN", "PERFMON", "SYS_ADMIN",
        "SYS_BOOT", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "SYSLOG",
    }
)  # fmt: skip
"""Capabilities that reach beyond the container's own things (capabilities(7))."""
_HOST_PLACES = (
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/usr",
    "/var",
)
_EVERYWHERE = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 -- what is looked for


class Weight(enum.IntEnum):
    """How far it leads: ``HIGH`` is as good as the host itself."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


@attrs.frozen(kw_only=True)
class Finding:
    """One thing: whose, which attribute says so, and a sentence."""

    service: str
    attribute: str
    weight: Weight
    sentence: str


def audit(stack: Stack) -> tuple[Finding, ...]:
    """Every finding, the weightiest first, then by service and attribute."""
    found = [
        Finding(service=name, attribute=attribute, weight=weight, sentence=sentence)
        for name, service in stack.services.items()
        for look in _LOOKS
        for attribute, weight, sentence in look(service, stack)
    ]
    return tuple(sorted(found, key=lambda one: (-one.weight, one.service, one.attribute, one.sentence)))


_Look = Iterator[tuple[str, Weight, str]]


def _privileges(service: Service, _stack: Stack) -> _Look:
    if service.privileged:
        yield (
            "privileged",
            Weight.HIGH,
            "has every capability, every device and no filter: it is the host's root",
        )
    for name in service.cap_add:
        plain = name.upper().removeprefix("CAP_")
        weight = Weight.HIGH if plain in _STRONG else Weight.LOW
        yield "cap_add", weight, f"has the capability {plain}"
    if service.oom_score_adj < 0:
        yield "oom_score_adj", Weight.LOW, "is killed later than others when memory runs out"
    if service.limits.pids is not None and service.limits.pids < 0:
        yield "pids_limit", Weight.MEDIUM, "may start processes without bound"
    for kind, hooks in (("post_start", service.post_start), ("pre_stop", service.pre_stop)):
        yield from _hooks(kind, hooks)


def _hooks(kind: str, hooks: tuple[Hook, ...]) -> _Look:
    if any(hook.privileged for hook in hooks):
        yield kind, Weight.HIGH, "runs a command with every capability"


def _profiles(service: Service, _stack: Stack) -> _Look:
    try:
        asked = security.parsed(service.security_opt, privileged=False)
    except ValueError:
        return  # its profile is no file of ours; up says so
    if asked.seccomp == {}:
        yield "security_opt", Weight.HIGH, "makes every system call (seccomp=unconfined)"
    elif asked.seccomp is not None:
        yield "security_opt", Weight.LOW, "has a seccomp profile of its own"
    if asked.apparmor == security.UNCONFINED:
        yield "security_opt", Weight.MEDIUM, "has no AppArmor profile"
    if "disable" in asked.selinux:
        yield "security_opt", Weight.MEDIUM, "has no SELinux label"
    if not asked.hides_paths:
        yield "security_opt", Weight.HIGH, "sees and writes what is masked of /proc and /sys (systempaths)"
    if asked.has_writable_cgroups:
        yield "security_opt", Weight.MEDIUM, "writes its cgroups"


def _namespaces(service: Service, _stack: Stack) -> _Look:
    words = {
        "network_mode": (
            service.namespaces.network,
            Weight.HIGH,
            "is on the host's network: no port is closed to it",
        ),
        "pid": (service.namespaces.pid, Weight.HIGH, "sees and signals the host's processes"),
        "ipc": (service.namespaces.ipc, Weight.MEDIUM, "shares memory and queues with the host"),
        "uts": (service.namespaces.uts, Weight.LOW, "has the host's name"),
        "cgroup": (service.namespaces.cgroup, Weight.LOW, "sees the host's cgroups"),
    }
    for attribute, (mode, weight, sentence) in words.items():
        if mode == "host":
            yield attribute, weight, sentence


def _mounts(service: Service, stack: Stack) -> _Look:
    for mount in service.mounts:
        source = _host_path_of(mount, stack)
        if source:
            yield from _bind(source, mount, stack.directory)


def _host_path_of(mount: Mount, stack: Stack) -> str:
    """The host's directory or file behind a mount; "" when it is none of the host's."""
    if mount.kind is MountKind.BIND:
        return posixpath.normpath(mount.source)
    volume = stack.volumes.get(mount.source)
    if mount.kind is MountKind.VOLUME and volume is not None and "bind" in volume.driver_opts.get("o", ""):
        return posixpath.normpath(volume.driver_opts.get("device", ""))
    return ""


def _bind(source: str, mount: Mount, directory: str) -> _Look:
    how = "reads" if mount.read_only else "writes"
    if posixpath.basename(source) in SOCKETS:
        yield "volumes", Weight.HIGH, f"has {source}: whoever may talk to it is the host's root"
    elif source in _HOST_PLACES or source.startswith(
        ("/etc/", "/proc/", "/sys/", "/dev/", "/root/", "/boot/")
    ):
        weight = Weight.MEDIUM if mount.read_only and source != "/" else Weight.HIGH
        yield "volumes", weight, f"{how} the host's {source}"
    elif source != directory and not source.startswith(f"{directory}/"):
        yield "volumes", Weight.MEDIUM, f"{how} the host's {source}"
    elif not mount.read_only:
        yield "volumes", Weight.LOW, f"writes {source} of the stack's directory"
    if mount.propagation in ("shared", "rshared"):
        yield "volumes", Weight.MEDIUM, f"what it mounts below {mount.target} shows on the host"


def _devices(service: Service, _stack: Stack) -> _Look:
    for device in service.devices:
        harmless = device.source in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
        if not harmless:
            yield "devices", Weight.MEDIUM, f"uses the device {device.source}"
    for rule in service.device_cgroup_rules:
        weight = Weight.HIGH if rule.startswith("a") or "*:*" in rule else Weight.MEDIUM
        yield "device_cgroup_rules", weight, f"may use the devices {rule}"
    if service.device_requests:
        yield "gpus", Weight.LOW, "uses devices of a vendor (CDI)"


def _exposure(service: Service, _stack: Stack) -> _Look:
    for port in service.ports:
        if port.host_ip in _EVERYWHERE:
            number = port.published or "chosen at random"
            yield (
                "ports",
                Weight.MEDIUM,
                f"port {number} ({port.protocol}) is open to every address of the host",
            )


def _secrets(service: Service, _stack: Stack) -> _Look:
    for name, value in service.environment.items():
        # *_FILE is how images take a secret from a file, which is what is recommended here.
        if value and CONFIDENTIAL.search(name) and not name.upper().endswith("_FILE"):
            sentence = f"gets {name} in its environment, where every child and `inspect` sees it; use secrets"
            yield "environment", Weight.MEDIUM, sentence


def _others(service: Service, _stack: Stack) -> _Look:
    if service.provider is not None:
        yield "provider", Weight.HIGH, f"is given by {service.provider.type}, a program that runs on the host"
    if service.runtime:
        yield "runtime", Weight.LOW, f"is made by the runtime {service.runtime}"
    if service.build is not None:
        if service.build.privileged or service.build.entitlements:
            yield "build", Weight.HIGH, "is built with privileges"
        if service.build.network == "host":
            yield "build.network", Weight.MEDIUM, "is built on the host's network"


_LOOKS: tuple[Callable[[Service, Stack], _Look], ...] = (
    _privileges,
    _profiles,
    _namespaces,
    _mounts,
    _devices,
    _exposure,
    _secrets,
    _others,
)
