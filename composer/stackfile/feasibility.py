"""What Docker Compose lets pass and what cannot work: ``config`` warns of it, ``up`` refuses it.

A table of path patterns and checks over a selected, settled tree.
"""

from __future__ import annotations

import posixpath
import re
import signal
from collections.abc import Callable, Iterator

from composer import errors
from composer.model import cdi, devicerule, localvolume, logging, security
from composer.model.stack import Logging
from composer.stackfile import paths, ports, subnets, tmpfs
from composer.stackfile.scalars import is_number, scalar_text, shown
from composer.stackfile.tree import Node, Path, Table, at, problem

Check = Callable[[Node, Path, Node], Iterator[errors.Problem]]

MOST_REPLICAS = 1000
"""A network has no more addresses and a bridge no more ports (1023) than that."""

_KEY = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_HOST_NAME = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9._-]{0,62}[a-zA-Z0-9_])?", re.ASCII)
"""At most ``HOST_NAME_MAX`` (64, ``sethostname(2)``); it is written into ``/etc/hosts``."""
_RESOURCE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}", re.ASCII)
"""What Docker lets a volume or network be called.  It becomes a directory's name: no slash, no dots first."""
_SIGNAL = re.compile(r"(SIG)?RTM(IN(\+\d\d?)?|AX(-\d\d?)?)", re.ASCII)
_MOST_PIDS = 4_194_304
"""``PID_MAX_LIMIT`` of a 64-bit kernel (linux/threads.h)."""
_MOUNT_KINDS = ("bind", "volume", "tmpfs", "image")


_CGROUP = re.compile(r"[A-Za-z0-9_.:@/-]{1,512}", re.ASCII)
_CPUSET = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*", re.ASCII)
_SYSCTL = re.compile(r"[a-z0-9_-]+([./][a-zA-Z0-9_:-]+)+", re.ASCII)
_SYSCTLS = frozenset(
    {
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    }
)
"""Those of the IPC namespace (ipc_namespaces(7)); ``net.`` and ``fs.mqueue.`` have theirs too."""
_ULIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue"),
    *("nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
"""getrlimit(2), in lower case and without ``RLIMIT_``."""


def obstacles(root: Node) -> list[errors.Problem]:
    """Everything that stands in the way of running the services of a selected tree."""
    found: list[errors.Problem] = []
    for node, path, check in _TABLE.select(root):
        if node.value is not None:
            found.extend(check(node, path, root))
    return found


def _keys(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """The key becomes part of names of containers, directories and of argument lists."""
    for name, child in node.entries():
        if not _KEY.fullmatch(name):
            cut = name if len(name) <= 40 else f"{name[:40]}..."
            yield problem(child, (*path, cut), f"{cut!r} is not a valid name",
                          hint="At most 128 letters, digits, . _ -; not a dot or dash first.")  # fmt: skip


def _name(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if not _RESOURCE_NAME.fullmatch(text):
        yield problem(node, path, f"{text!r} is not a valid name",
                      hint="At most 128 letters, digits, . _ -; a letter or digit first.")  # fmt: skip


_FETCHED = ("http://", "https://", "git://", "ssh://", "git@", "github.com/")
"""How the addresses of contexts begin that a build fetches."""


def _context(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if paths.is_remote(text) and not text.startswith(_FETCHED):
        yield problem(node, path, f"{text} cannot be a build context",
                      hint="Name a directory, a git repository or the URL of an archive.")  # fmt: skip


def _restart(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    word, colon, count = scalar_text(node.value).partition(":")
    is_known = word in ("no", "false", "always", "unless-stopped", "on-failure", "")
    if not is_known or (colon and (word != "on-failure" or not is_number(count) or len(count) > 9)):
        yield problem(node, path, f"unknown restart policy {shown(node.value)}",
                      hint="Use no, always, on-failure[:N] or unless-stopped.")  # fmt: skip


def _restart_condition(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if node.value not in ("none", "on-failure", "any", ""):
        yield problem(node, path, f"unknown restart condition {shown(node.value)}",
                      hint="Use none, on-failure or any.")  # fmt: skip


def _scale(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and not 0 <= node.value <= MOST_REPLICAS:
        yield problem(node, path, f"the number of containers is between 0 and {MOST_REPLICAS}")


def _cpus(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int | float) and not 0 <= node.value <= 1_000_000:
        yield problem(node, path, f"{scalar_text(node.value)} is no number of processors")


def _size(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and node.value < -1:
        yield problem(node, path, "a size cannot be negative")


def _pids_limit(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and not -1 <= node.value <= _MOST_PIDS:
        yield problem(node, path, f"pids_limit is between 1 and {_MOST_PIDS}, or -1 for no limit")


def _retries(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and node.value < 0:
        yield problem(node, path, "retries cannot be negative")


def _stop_signal(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    word = scalar_text(node.value).upper()
    numbers = {str(number.value) for number in signal.valid_signals() if isinstance(number, signal.Signals)}
    known = word in signal.Signals.__members__ or f"SIG{word}" in signal.Signals.__members__
    if not (known or word in numbers or word == "" or _SIGNAL.fullmatch(word)):
        yield problem(node, path, f"{word!r} is no signal", hint="Write it like SIGTERM, TERM or 15.")


def _host_name(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if text and not _HOST_NAME.fullmatch(text):
        yield problem(node, path, f"{text!r} is no host name",
                      hint="At most 64 letters, digits, dashes, dots and underscores.")  # fmt: skip


def _working_dir(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if text and not text.startswith("/"):
        yield problem(node, path, f"working_dir {text!r} is not an absolute path")


def _variables(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    for name, child in node.entries():
        if not name or "=" in name:
            yield problem(child, path, f"{name!r} is no name of a variable")


def _tmpfs(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    try:
        tmpfs.parse(scalar_text(node.value))
    except ValueError as error:
        yield problem(node, path, str(error))


def _port(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    target, published, protocol, host_ip = (
        node.child(key) for key in ("target", "published", "protocol", "host_ip")
    )
    if target is not None and not 0 < _port_number(scalar_text(target.value)) <= ports.LARGEST_PORT:
        yield problem(target, (*path, "target"), f"{shown(target.value)} is no port", hint=_PORTS)
    if published is not None and published.value:
        text = scalar_text(published.value)
        first, dash, last = text.partition("-")
        low, high = _port_number(first), _port_number(last if dash else first)
        if not 0 <= low <= high <= ports.LARGEST_PORT:
            yield problem(published, (*path, "published"), f"{text!r} is no port", hint=_PORTS)
    if protocol is not None and scalar_text(protocol.value).lower() not in ports.PROTOCOLS:
        yield problem(protocol, (*path, "protocol"), f"protocol {protocol.value!r} is not known",
                      hint=f"Use {', '.join(ports.PROTOCOLS)}.")  # fmt: skip
    if host_ip is not None and host_ip.value and not subnets.is_address(scalar_text(host_ip.value)):
        yield problem(host_ip, (*path, "host_ip"), f"{host_ip.value!r} is no IP address of this host",
                      hint="Use an IPv4 or IPv6 address.")  # fmt: skip


_PORTS = "Ports are 1 to 65535."


def _port_number(text: str) -> int:
    return int(text) if is_number(text) else -1


def _mount(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    kind, source, target = (node.child(key) for key in ("type", "source", "target"))
    word = scalar_text(kind.value) if kind is not None else ""
    if word not in _MOUNT_KINDS:
        yield problem(kind or node, (*path, "type"), f"mounts of type {word} are not supported yet")
    if target is not None and not scalar_text(target.value).startswith("/"):
        yield problem(target, (*path, "target"), f"mount target {target.value!r} is not an absolute path")
    name = scalar_text(source.value) if source is not None else ""
    if word == "bind" and not name:
        yield problem(node, path, "a bind mount needs a source")
    elif word == "bind" and not name.startswith("/"):
        yield problem(source or node, path, f"{name!r} is not an absolute path")
    if word == "volume" and name.startswith(("-", ".")):
        yield problem(node, path, f"invalid volume name {name!r}")


def _targets(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """As ``rules`` has it, with ``/a/./b`` and ``/a/b`` being one place."""
    mounted, listed = node.child("volumes"), node.child("tmpfs")
    targets = [mount.child("target") for mount in (mounted.items() if mounted is not None else ())]
    taken = {posixpath.normpath(scalar_text(target.value)) for target in targets if target is not None}
    for index, item in enumerate(listed.items() if listed is not None else ()):
        place = posixpath.normpath(scalar_text(item.value).partition(":")[0])
        if place in taken:
            yield problem(item, (*path, "tmpfs", index), f"{place} is a mount already")
        taken.add(place)


def _grant(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    for key in ("uid", "gid"):
        child = node.child(key)
        if child is not None and child.value and not is_number(scalar_text(child.value)):
            yield problem(child, (*path, key), f"{key} must be a number")
    mode = node.child("mode")
    if mode is not None and isinstance(mode.value, int) and not 0 <= mode.value <= 0o7777:
        yield problem(mode, (*path, "mode"), "the mode is no octal number up to 7777", hint='Write "0440".')


def _file_mode(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and not 0 <= node.value <= 0o7777:
        yield problem(node, path, "the mode is no octal number up to 7777", hint="Write 0o755.")


def _volume_driver(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if node.value not in ("local", "default", ""):
        message = f"driver {node.value!r} is not supported yet"
        yield problem(node, path, message, hint="Only local is known.")


def _driver_opts(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    try:
        localvolume.mount_of({key: scalar_text(child.value) for key, child in node.entries()})
    except ValueError as error:
        yield problem(node, path, str(error), hint="Write type, device and o as mount(8) has them.")


def _capability(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    word = scalar_text(node.value).upper().removeprefix("CAP_")
    if not word.replace("_", "").isalpha():
        yield problem(node, path, f"{node.value!r} is no capability")


def _one_of(*words: str, peers: bool = False) -> Check:
    """A mode: one of a few words or, where ``peers``, ``service:NAME`` or ``container:NAME``."""

    def check(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
        text = scalar_text(node.value)
        kind, colon, name = text.partition(":")
        is_peer = peers and colon and name and kind in ("service", "container")
        if text and text not in words and not is_peer:
            more = ", service:NAME or container:NAME" if peers else ""
            message = f"{path[-1]} {text!r} is not supported"
            yield problem(node, path, message, hint=f"Use {', '.join(words)}{more}.")

    return check


def _within(low: int, high: int) -> Check:
    def check(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
        if isinstance(node.value, int) and not low <= node.value <= high:
            yield problem(node, path, f"{path[-1]} is between {low} and {high}, not {node.value}")

    return check


def _cgroup_parent(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if not _CGROUP.fullmatch(text) or ".." in text.split("/"):
        yield problem(
            node, path, f"{shown(text)} is no path of a cgroup", hint="Write it like a.slice or /a/b."
        )


def _cpuset(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if not _CPUSET.fullmatch(scalar_text(node.value)):
        yield problem(node, path, f"{shown(node.value)} is no list of processors", hint='Write "0-2,4".')


def _sysctls(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    """Only what has a namespace, and that the container's own: the rest would be the host's (namespaces(7)).

    The grammar is exact, because runtimes have taken more than one setting out of one key (CVE-2022-0811).
    """
    service = at(root, path[:-1])
    modes = {key: service.child(key) for key in ("network_mode", "ipc")}
    for name, child in node.entries():
        attribute = "network_mode" if name.startswith("net.") else "ipc"
        mode = modes[attribute]
        if not _SYSCTL.fullmatch(name):
            yield problem(child, (*path, name), f"{shown(name)} is no name of a kernel setting",
                          hint="Write it like net.core.somaxconn.")  # fmt: skip
        elif name not in _SYSCTLS and not name.startswith(("net.", "fs.mqueue.")):
            yield problem(child, (*path, name), f"{name} is not separate for each container",
                          hint="Set it on the host.")  # fmt: skip
        elif mode is not None and mode.value == "host":
            yield problem(child, (*path, name), f"{name} would be the host's with {attribute}: host",
                          hint="Set it on the host.")  # fmt: skip


def _ulimits(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    for name, child in node.entries():
        if name not in _ULIMITS:
            yield problem(
                child, (*path, name), f"{name!r} is no limit", hint=f"One of {', '.join(_ULIMITS)}."
            )
            continue
        limits = [entry.value for key in ("soft", "hard") if (entry := child.child(key)) is not None]
        soft, hard = limits if len(limits) == 2 else (child.value, child.value)
        if isinstance(soft, int) and isinstance(hard, int) and soft > hard >= 0:
            yield problem(child, (*path, name), f"the soft limit {soft} is above the hard limit {hard}")


def _security_opt(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    key, value = security.split(text)
    if key == "seccomp" and value:
        return  # its file is read when the stack is bound
    try:
        security.parsed((text,), privileged=False)
    except ValueError as error:
        hint = "Use no-new-privileges, seccomp=, apparmor=, label= or systempaths=unconfined."
        yield problem(node, path, str(error), hint=hint)


def _device(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    source, target = node.child("source"), node.child("target")
    text = scalar_text(source.value) if source is not None else ""
    if cdi.is_name(text):
        return
    if not text.startswith("/"):
        hint = "Name a path below /dev, or a CDI device like vendor.com/class=name."
        yield problem(source or node, path, f"{text!r} is no device", hint=hint)
    elif target is not None and not scalar_text(target.value).startswith("/"):
        yield problem(target, path, f"{shown(target.value)} is not an absolute path")


def _device_rule(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    try:
        devicerule.parsed(scalar_text(node.value))
    except ValueError as error:
        yield problem(node, path, str(error), hint='Write "c 1:3 rwm": type, major:minor, access.')


def _logging(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    driver, options = node.child("driver"), node.child("options")
    written = Logging(
        driver=scalar_text(driver.value) if driver is not None and driver.value else "",
        options={key: scalar_text(child.value) for key, child in (options.entries() if options else ())},
    )
    try:
        logging.policy_of(written)
    except ValueError as error:
        yield problem(node, path, str(error), hint=f"There are {', '.join(logging.DRIVERS)}.")


def _platform(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    from composer.model import platforms  # few files need it

    text = scalar_text(node.value)
    if text and not platforms.runs_here(text):
        yield problem(node, path, f"platform {text} cannot run on this host",
                      hint=f"This host is {platforms.of_host()}.")  # fmt: skip


def _container_name(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if not _RESOURCE_NAME.fullmatch(text):
        yield problem(node, path, f"{text!r} is not a valid name",
                      hint="At most 128 letters, digits, . _ -; a letter or digit first.")  # fmt: skip
    service = at(root, path[:-1])
    for scale in (service.child("scale"), at(service, ("deploy", "replicas"))):
        if scale is not None and isinstance(scale.value, int) and scale.value > 1:
            yield problem(node, path, f"{scale.value} containers cannot all be called {text}",
                          hint="Leave container_name out.")  # fmt: skip


def _own_names(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """No two containers of a name."""
    taken: dict[str, str] = {}
    for service, child in node.entries():
        name = child.child("container_name")
        text = scalar_text(name.value) if name is not None and name.value else ""
        if name is not None and text in taken:
            message = f"{taken[text]} is called {text} already"
            yield problem(name, (*path, service, "container_name"), message)
        elif text:
            taken[text] = service


_TABLE: Table[Check] = Table(
    [
        *((kind, _keys) for kind in ("services", "networks", "volumes", "secrets", "configs")),
        ("networks.*.name", _name),
        ("volumes.*.name", _name),
        ("services.*", _targets),
        ("services.*.build.context", _context),
        ("services.*.build.args", _variables),
        ("services", _own_names),
        ("services.*.blkio_config.weight", _within(10, 1000)),
        ("services.*.cap_add.*", _capability),
        ("services.*.cap_drop.*", _capability),
        ("services.*.cgroup", _one_of("host", "private")),
        ("services.*.cgroup_parent", _cgroup_parent),
        ("services.*.configs.*", _grant),
        ("services.*.container_name", _container_name),
        ("services.*.cpu_shares", _within(0, 262_144)),
        ("services.*.cpuset", _cpuset),
        ("services.*.cpus", _cpus),
        ("services.*.deploy.replicas", _scale),
        ("services.*.deploy.resources.limits.cpus", _cpus),
        ("services.*.deploy.resources.limits.memory", _size),
        ("services.*.deploy.resources.limits.pids", _pids_limit),
        ("services.*.deploy.restart_policy.condition", _restart_condition),
        ("services.*.device_cgroup_rules.*", _device_rule),
        ("services.*.devices.*", _device),
        ("services.*.domainname", _host_name),
        ("services.*.environment", _variables),
        ("services.*.healthcheck.retries", _retries),
        ("services.*.hostname", _host_name),
        ("services.*.ipc", _one_of("none", "private", "shareable", "host", peers=True)),
        ("services.*.logging", _logging),
        ("services.*.mem_limit", _size),
        ("services.*.mem_reservation", _size),
        ("services.*.mem_swappiness", _within(0, 100)),
        ("services.*.network_mode", _one_of("bridge", "none", "host", peers=True)),
        ("services.*.networks.*.aliases.*", _host_name),
        ("services.*.external_links.*", subnets.link),
        ("services.*.links.*", subnets.link),
        ("services.*.mac_address", subnets.hardware_address),
        ("services.*.networks", subnets.attachments),
        ("services.*.networks.*.driver_opts", subnets.endpoint_options),
        ("services.*.networks.*.interface_name", subnets.interface),
        ("services.*.networks.*.ipv4_address", subnets.own_address),
        ("services.*.networks.*.ipv6_address", subnets.own_address),
        ("services.*.networks.*.link_local_ips.*", subnets.link_local),
        ("services.*.networks.*.mac_address", subnets.hardware_address),
        ("services.*.oom_score_adj", _within(-1000, 1000)),
        ("services.*.pid", _one_of("private", "host", peers=True)),
        ("services.*.pids_limit", _pids_limit),
        ("services.*.platform", _platform),
        ("services.*.ports.*", _port),
        ("services.*.restart", _restart),
        ("services.*.scale", _scale),
        ("services.*.secrets.*", _grant),
        ("services.*.security_opt.*", _security_opt),
        ("services.*.shm_size", _size),
        ("services.*.stop_signal", _stop_signal),
        ("services.*.sysctls", _sysctls),
        ("services.*.tmpfs.*", _tmpfs),
        ("services.*.ulimits", _ulimits),
        ("services.*.userns_mode", _one_of("host")),
        ("services.*.uts", _one_of("host")),
        ("services.*.volumes.*", _mount),
        ("services.*.volumes.*.tmpfs.mode", _file_mode),
        ("services.*.volumes.*.tmpfs.size", _size),
        ("services.*.working_dir", _working_dir),
        ("networks.*.ipam.config", subnets.ipam),
        ("networks.*.driver", subnets.driver),
        ("networks.*.driver_opts", subnets.options),
        ("networks.*", subnets.families),
        ("volumes.*.driver", _volume_driver),
        ("volumes.*.driver_opts", _driver_opts),
    ]
)
