"""The flags of ``container run`` and ``create``, and the service of a stack file that they come to.

Most flags are one attribute of a service by another name: ``ROWS`` says which.  The rest have a
grammar of their own, which is read here.  What the values mean, and which are refused, is the stack
file loader's business alone, so that a flag and the attribute can never differ.
"""

from __future__ import annotations

import csv
import enum
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

Tree = dict[str, Any]

FOR_EVER = "87600h"
"""``--stop-timeout -1``: ten years."""


class Kind(enum.Enum):
    """How often a flag may be given and what its value is."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"
    EACH = "each"
    PAIRS = "pairs"


@attrs.frozen
class Row:
    """One flag that is an attribute: ``flags`` separated by spaces, the attribute's path with dots."""

    flags: str
    attribute: str
    kind: Kind
    metavar: str
    help: str

    @property
    def long(self) -> str:
        """The flag by its long name."""
        return self.flags.split()[-1]


def _rows(kind: Kind, text: str) -> tuple[Row, ...]:
    """``flags | attribute | metavar | help`` lines."""
    cells = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    return tuple(Row(flags, attribute, kind, metavar, text) for flags, attribute, metavar, text in cells)


ROWS: tuple[Row, ...] = (
    *_rows(
        Kind.TEXT,
        """
        -w --workdir | working_dir | DIR | working directory in the container
        -u --user | user | USER | user or uid, with :group
        -h --hostname | hostname | NAME | the container's own name of itself
        --domainname | domainname | NAME | the domain of it
        --restart | restart | POLICY | no, always, on-failure[:N] or unless-stopped
        --stop-signal | stop_signal | SIGNAL | what stops it
        --ipc | ipc | MODE | host, none, private, shareable or container:NAME
        --pid | pid | MODE | host or container:NAME
        --uts | uts | MODE | host
        --userns | userns_mode | MODE | host
        --cgroupns | cgroup | MODE | host or private
        --cgroup-parent | cgroup_parent | PATH | the cgroup above the container's
        --runtime | runtime | NAME | the OCI runtime
        --platform | platform | OS/ARCH | platform of the image
        --pull | pull_policy | POLICY | always, missing or never
        --shm-size | shm_size | SIZE | size of /dev/shm
        -m --memory | mem_limit | SIZE | most memory
        --memory-reservation | mem_reservation | SIZE | memory that it keeps under pressure
        --memory-swap | memswap_limit | SIZE | memory and swap together; -1 is no limit
        --cpuset-cpus | cpuset | LIST | processors it may run on: 0-3, 0,1
        --mac-address | mac_address | MAC | address of its first interface
        --log-driver | logging.driver | NAME | where its output goes
        --health-interval | healthcheck.interval | TIME | between probes
        --health-timeout | healthcheck.timeout | TIME | a probe may take
        --health-start-period | healthcheck.start_period | TIME | in which failures do not count
        --health-start-interval | healthcheck.start_interval | TIME | between probes of the start period
        """,
    ),
    *_rows(
        Kind.NUMBER,
        """
        --cpus | cpus | N | processors: 1.5
        -c --cpu-shares | cpu_shares | N | share of processor time where it is short
        --cpu-period | cpu_period | MICROSECONDS | period of the quota
        --cpu-quota | cpu_quota | MICROSECONDS | processor time in a period
        --cpu-rt-period | cpu_rt_period | MICROSECONDS | real-time period
        --cpu-rt-runtime | cpu_rt_runtime | MICROSECONDS | real-time runtime
        --memory-swappiness | mem_swappiness | N | 0 to 100
        --oom-score-adj | oom_score_adj | N | -1000 to 1000
        --pids-limit | pids_limit | N | most processes; -1 is no limit
        --blkio-weight | blkio_config.weight | N | share of block devices, 10 to 1000
        --health-retries | healthcheck.retries | N | failures that make it unhealthy
        """,
    ),
    *_rows(
        Kind.SWITCH,
        """
        -t --tty | tty | | give it a terminal
        -i --interactive | stdin_open | | keep its standard input open
        --init | init | | run an init that reaps processes
        --read-only | read_only | | no writable layer
        --privileged | privileged | | no isolation but namespaces
        --oom-kill-disable | oom_kill_disable | | wait instead of being killed where memory is short
        --use-api-socket | use_api_socket | | pass the engine's socket on
        --no-healthcheck | healthcheck.disable | | no probes, whatever the image says
        """,
    ),
    *_rows(
        Kind.EACH,
        """
        --cap-add | cap_add | CAP | add a capability
        --cap-drop | cap_drop | CAP | drop one
        --group-add | group_add | GROUP | add a group to the user's
        --security-opt | security_opt | OPTION | seccomp=FILE, no-new-privileges, ...
        --device | devices | PATH[:PATH[:rwm]] | give it a device of the host
        --device-cgroup-rule | device_cgroup_rules | RULE | allow devices by number
        --dns | dns | ADDRESS | name server
        --dns-option --dns-opt | dns_opt | OPTION | option of resolv.conf
        --dns-search | dns_search | DOMAIN | search domain
        --expose | expose | PORT | a port that it listens on
        --tmpfs | tmpfs | PATH[:OPTIONS] | memory as a file system
        -p --publish | ports | [IP:][PORT:]PORT | make a port reachable on the host
        --add-host | extra_hosts | NAME:ADDRESS | a line of /etc/hosts
        --link | external_links | CONTAINER[:ALIAS] | another name for another container
        """,
    ),
    *_rows(
        Kind.PAIRS,
        """
        --sysctl | sysctls | KEY=VALUE | a kernel setting of its own
        --log-opt | logging.options | KEY=VALUE | option of the log driver
        --storage-opt | storage_opt | KEY=VALUE | option of the writable layer
        --annotation | annotations | KEY=VALUE | annotation of the OCI configuration
        """,
    ),
)

_DEVICE_RATES = ("device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")

_SPECIAL = {
    "blkio_config.weight_device": "--blkio-weight-device",
    **{f"blkio_config.{name}": f"--{name.replace('_', '-')}" for name in _DEVICE_RATES},
    "command": "COMMAND",
    "container_name": "--name",
    "entrypoint": "--entrypoint",
    "environment": "--env",
    "gpus": "--gpus",
    "healthcheck": "--health-cmd",
    "image": "IMAGE",
    "labels": "--label",
    "logging": "--log-driver",
    "network_mode": "--network",
    "networks": "--network",
    "stop_grace_period": "--stop-timeout",
    "ulimits": "--ulimit",
    "volumes": "--volume",
    "volumes_from": "--volumes-from",
}
_FLAG_OF = {row.attribute: row.long for row in ROWS} | _SPECIAL

_REFUSED = {
    "--cpuset-mems": "memory nodes cannot be chosen",
    "--isolation": "a Windows matter",
    "--kernel-memory": "kernels have no such limit any more",
    "--volume-driver": "volumes are local",
}
"""Flags of Docker's that would change what runs and have no meaning here, with the reason."""


# --------------------------------------------------------------------------- options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Every flag that describes the container, its image and its command."""
    add_rows(parser, [row.long for row in ROWS])
    add = parser.add_argument
    add("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="set a variable")
    add("--env-file", action="append", default=[], metavar="FILE", help="set variables from a file")
    add("-l", "--label", action="append", default=[], metavar="KEY=VALUE", help="set a label")
    add("--label-file", action="append", default=[], metavar="FILE", help="set labels from a file")
    add("-v", "--volume", action="append", default=[], metavar="SOURCE:TARGET[:ro]", help="mount something")
    add("--mount", action="append", default=[], metavar="KEY=VALUE,...", help="mount something, in words")
    add("--volumes-from", action="append", default=[], metavar="CONTAINER[:ro]", help="mount what it mounts")
    add("--entrypoint", metavar="PROGRAM", help='instead of the image\'s entrypoint; "" for none')
    add("--network", "--net", action="append", default=[], metavar="NETWORK", help="network, host or none")
    add("--network-alias", "--net-alias", action="append", default=[], metavar="NAME", help="a name on it")
    add("--ip", metavar="ADDRESS", help="its IPv4 address")
    add("--ip6", metavar="ADDRESS", help="its IPv6 address")
    add("--link-local-ip", action="append", default=[], metavar="ADDRESS", help="a link-local address")
    add("--gpus", metavar="all|N|device=ID", help="graphics processors")
    add("--ulimit", action="append", default=[], metavar="NAME=SOFT[:HARD]", help="a resource limit")
    add("--health-cmd", metavar="COMMAND", help="probes its health")
    add("--stop-timeout", type=int, metavar="SECONDS", help="grace before it is killed; -1 waits for ever")
    add("--blkio-weight-device", action="append", default=[], metavar="PATH:N", help="share of one device")
    for name in _DEVICE_RATES:
        flag = f"--{name.replace('_', '-')}"
        add(flag, action="append", default=[], metavar="PATH:RATE", help="bound of one device")
    for flag, reason in _REFUSED.items():
        add(flag, metavar="...", help=f"refused: {reason}")
    add("image", metavar="IMAGE", help="name or id of an image")
    add("command", nargs="...", metavar="COMMAND", help="what to run in it, instead of what the image says")


def add_rows(parser: argparse.ArgumentParser, flags: Collection[str]) -> None:
    """Those of the flags of ``ROWS`` that are named (by their long names)."""
    add = parser.add_argument
    for row in ROWS:
        if row.long not in flags:
            continue
        names, dest = row.flags.split(), _dest(row)
        match row.kind:
            case Kind.SWITCH:
                add(*names, dest=dest, action="store_true", help=row.help)
            case Kind.EACH | Kind.PAIRS:
                add(*names, dest=dest, action="append", default=[], metavar=row.metavar, help=row.help)
            case Kind.TEXT | Kind.NUMBER:
                add(*names, dest=dest, metavar=row.metavar, help=row.help)


def attributes_of(options: argparse.Namespace, flags: Collection[str]) -> Tree:
    """The attributes of a service that flags of ``ROWS`` set."""
    service: Tree = {}
    for row in ROWS:
        if row.long in flags:
            value = _value(row, getattr(options, _dest(row)))
            if value is not None:
                _set(service, row.attribute, value)
    return service


def _dest(row: Row) -> str:
    return row.attribute.replace(".", "_")


# --------------------------------------------------------------------------- translation


def stack_of(options: argparse.Namespace, name: str, environment: Mapping[str, str]) -> Tree:
    """The stack file of one service that the flags come to; ``environment`` is the caller's.

    Raises ``UsageError`` for what is no value of a flag.
    """
    for flag, reason in _REFUSED.items():
        if getattr(options, flag[2:].replace("-", "_")) is not None:
            raise errors.UsageError(f"{flag} is not supported: {reason}")
    service: Tree = {"container_name": name, "image": options.image}
    service |= attributes_of(options, [row.long for row in ROWS])
    if options.command:
        words = options.command[1:] if options.command[0] == "--" else options.command
        service["command"] = list(words)
    if options.entrypoint is not None:
        service["entrypoint"] = [options.entrypoint] if options.entrypoint else []
    service["environment"] = _variables(options.env_file, options.env, environment, "--env")
    service["labels"] = {
        key: value or ""
        for key, value in _variables(options.label_file, options.label, {}, "--label").items()
    }
    _add_health(service, options)
    _add_limits(service, options)
    stack: Tree = {"services": {name: service}}
    _add_mounts(stack, service, options)
    _add_networks(stack, service, options)
    return stack


def _value(row: Row, given: Any) -> object:
    if not given and given != "":
        return None
    if row.kind is Kind.NUMBER:
        return _number(row.long, given)
    if row.kind is Kind.PAIRS:
        return dict(pair(row.long, text) for text in given)
    return given


def _set(service: Tree, path: str, value: object) -> None:
    *above, last = path.split(".")
    for key in above:
        service = service.setdefault(key, {})
    service[last] = value


def _number(flag: str, text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    message = f"{flag}: {text!r} is not a number"
    raise errors.UsageError(message)


def pair(flag: str, text: str) -> tuple[str, str]:
    """``KEY=VALUE``; raises ``UsageError`` in the name of the flag."""
    key, separator, value = text.partition("=")
    if not key or not separator:
        message = f"{flag}: {text!r} is not KEY=VALUE"
        raise errors.UsageError(message)
    return key, value


def variables(files: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """What ``--env-file`` and ``--env`` set, as Docker reads them; a bare name takes our own value."""
    return _variables(files, given, os.environ, "--env")


def _variables(
    files: Iterable[str], given: Iterable[str], environment: Mapping[str, str], flag: str
) -> dict[str, str]:
    """What files and flags set, flags last; a bare name takes the caller's value, if it has one.

    Labels have no environment to take from: a bare one is empty.
    """
    found: dict[str, str] = {}
    for text in (*(line for file in files for line in _lines(flag, file)), *given):
        key, separator, value = text.partition("=")
        if not key or (flag == "--env" and any(character.isspace() for character in key)):
            message = f"{flag}: {text!r} is not KEY=VALUE"
            raise errors.UsageError(message)
        if separator:
            found[key] = value
        elif flag == "--label":
            found[key] = ""
        elif key in environment:
            found[key] = environment[key]
        else:
            found.pop(key, None)
    return found


def _lines(flag: str, file: str) -> list[str]:
    """The lines of an ``--env-file`` as Docker reads it: nothing is quoted, nothing is expanded."""
    try:
        with open(file, encoding="utf-8-sig") as opened:
            lines = [line.lstrip() for line in opened.read().split("\n")]
    except OSError as error:
        message = f"{flag}-file: cannot read {file}: {error.strerror}"
        raise errors.UsageError(message) from error
    except UnicodeDecodeError as error:
        message = f"{flag}-file: {file} is not UTF-8"
        raise errors.UsageError(message) from error
    return [line.removesuffix("\r") for line in lines if line and not line.startswith("#")]


def _add_health(service: Tree, options: argparse.Namespace) -> None:
    check = service.get("healthcheck", {})
    if options.health_cmd is not None:
        check["test"] = ["CMD-SHELL", options.health_cmd]
    if len(check) > 1 and "disable" in check:
        raise errors.UsageError("--no-healthcheck conflicts with --health-* options")
    if check:
        service["healthcheck"] = check
    if options.stop_timeout is not None:
        seconds = options.stop_timeout
        service["stop_grace_period"] = FOR_EVER if seconds < 0 else f"{seconds}s"


def _add_limits(service: Tree, options: argparse.Namespace) -> None:
    if options.ulimit:
        service["ulimits"] = dict(_ulimit(text) for text in options.ulimit)
    for name in ("weight_device", *_DEVICE_RATES):
        flag = _SPECIAL[f"blkio_config.{name}"]
        given = getattr(options, flag[2:].replace("-", "_"))
        if given:
            word = "weight" if name == "weight_device" else "rate"
            _set(service, f"blkio_config.{name}", [_device_bound(flag, word, text) for text in given])
    if options.gpus:
        service["gpus"] = _gpus(options.gpus)


def _ulimit(text: str) -> tuple[str, object]:
    name, value = pair("--ulimit", text)
    soft, separator, hard = value.partition(":")
    low = _whole("--ulimit", soft)
    return name, {"soft": low, "hard": _whole("--ulimit", hard)} if separator else low


def _whole(flag: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        message = f"{flag}: {text!r} is not a whole number"
        raise errors.UsageError(message) from error


def _device_bound(flag: str, word: str, text: str) -> Tree:
    path, separator, bound = text.rpartition(":")
    if not separator or not path or not bound:
        message = f"{flag}: {text!r} is not PATH:{word.upper()}"
        raise errors.UsageError(message)
    return {"path": path, word: _whole(flag, bound) if word == "weight" else bound}


def _gpus(text: str) -> object:
    if text == "all":
        return "all"
    if text.isdecimal():
        return [{"count": int(text)}]
    request: Tree = {}
    for word in _words("--gpus", text):
        key, value = pair("--gpus", word)
        if key in ("device", "capabilities"):
            request["device_ids" if key == "device" else key] = value.split(",")
        elif key == "count":
            request[key] = value if value == "all" else _whole("--gpus", value)
        elif key == "driver":
            request[key] = value
        else:
            message = f"--gpus: unknown key {key!r}"
            raise errors.UsageError(message)
    return [request]


def _words(flag: str, text: str) -> list[str]:
    """Comma-separated words, where quotes keep commas (RFC 4180), as Docker reads them."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        message = f"{flag}: {text!r}: {error}"
        raise errors.UsageError(message) from error
    return rows[0] if rows else []


# --------------------------------------------------------------------------- mounts


def _add_mounts(stack: Tree, service: Tree, options: argparse.Namespace) -> None:
    mounts: list[object] = []
    volumes: Tree = {}
    for text in options.volume:
        mounts.append(text)
        source, separator, _ = text.partition(":")
        if separator and not source.startswith(("/", ".", "~")):
            volumes[source] = {"name": source}
    for text in options.mount:
        mount = mount_of(text)
        mounts.append(mount)
        if mount["type"] == "volume" and mount.get("source"):
            volumes[mount["source"]] = {"name": mount["source"]}
    if mounts:
        service["volumes"] = mounts
    if volumes:
        stack["volumes"] = volumes
    if options.volumes_from:
        service["volumes_from"] = [f"container:{text}" for text in options.volumes_from]


_MOUNT_KEYS = {
    "source": "source",
    "src": "source",
    "target": "target",
    "destination": "target",
    "dst": "target",
    "bind-propagation": "bind.propagation",
    "bind-recursive": "bind.recursive",
    "consistency": "consistency",
    "volume-subpath": "volume.subpath",
    "image-subpath": "image.subpath",
    "tmpfs-size": "tmpfs.size",
    "tmpfs-mode": "tmpfs.mode",
}
_MOUNT_SWITCHES = {
    "readonly": ("read_only", True),
    "ro": ("read_only", True),
    "volume-nocopy": ("volume.nocopy", True),
    "bind-nonrecursive": ("bind.recursive", "disabled"),
}
_TRUE = {"": True, "1": True, "true": True, "0": False, "false": False}


def mount_of(text: str) -> Tree:
    """A long mount of a stack file from ``--mount type=bind,source=/a,target=/b,readonly``."""
    mount: Tree = {"type": "volume"}
    for word in _words("--mount", text):
        key, separator, value = word.partition("=")
        key = key.strip().lower()
        if key in _MOUNT_SWITCHES:
            path, meaning = _MOUNT_SWITCHES[key]
            is_on = _TRUE.get(value.lower())
            if is_on is None:
                message = f"--mount: {key}={value} is neither true nor false"
                raise errors.UsageError(message)
            if is_on:
                _set(mount, path, meaning)
        elif key == "type" and separator:
            mount["type"] = value.lower()
        elif key == "tmpfs-mode":
            mount.setdefault("tmpfs", {})["mode"] = _octal(value)
        elif key == "volume-label" and separator:
            name, _, content = value.partition("=")
            mount.setdefault("volume", {}).setdefault("labels", {})[name] = content
        elif key in _MOUNT_KEYS and separator:
            _set(mount, _MOUNT_KEYS[key], value)
        else:
            message = f"--mount: {word!r} is not known"
            hint = f"There are: type, {', '.join(sorted({*_MOUNT_KEYS, *_MOUNT_SWITCHES}))}."
            raise errors.UsageError(message, hint=hint)
    if "target" not in mount:
        message = f"--mount: {text!r} has no target"
        raise errors.UsageError(message)
    if mount["type"] == "bind":
        # `--mount` wants the source to be there; `-v` makes it (docs.docker.com, bind mounts).
        mount.setdefault("bind", {})["create_host_path"] = False
    return mount


def _octal(text: str) -> int:
    try:
        return int(text, 8)
    except ValueError as error:
        message = f"--mount: tmpfs-mode={text} is not octal"
        raise errors.UsageError(message) from error


# --------------------------------------------------------------------------- networks

_MODES = ("host", "none")
_OWN = ("bridge", "default")


def _add_networks(stack: Tree, service: Tree, options: argparse.Namespace) -> None:
    """``--network``, as often as there are networks; what belongs to one endpoint goes to the first."""
    networks = [_network(text) for text in options.network] or [{"name": "bridge"}]
    first = networks[0]
    if options.network_alias:
        first["aliases"] = [*first.get("aliases", ()), *options.network_alias]
    for key, value in (("ipv4_address", options.ip), ("ipv6_address", options.ip6)):
        if value:
            first[key] = value
    if options.link_local_ip:
        first["link_local_ips"] = options.link_local_ip
    if first["name"] in _MODES or first["name"].startswith("container:"):
        if len(networks) > 1 or len(first) > 1:
            message = f"--network {first['name']} goes with no other network and has no addresses of its own"
            raise errors.UsageError(message)
        service["network_mode"] = first["name"]
        return
    attached: Tree = {}
    defined: Tree = {}
    for network in networks:
        name = network.pop("name")
        if name in _MODES or name.startswith("container:"):
            message = f"--network {name} goes with no other network"
            raise errors.UsageError(message)
        key = "bridge" if name in _OWN else name
        attached[key] = network
        defined[key] = {"name": key} if key == "bridge" else {"name": key, "external": True}
    service["networks"] = attached
    stack["networks"] = defined


_ENDPOINT_KEYS = {
    "alias": "aliases",
    "ip": "ipv4_address",
    "ip6": "ipv6_address",
    "link-local-ip": "link_local_ips",
    "mac-address": "mac_address",
    "gw-priority": "gw_priority",
    "driver-opt": "driver_opts",
}


def _network(text: str) -> Tree:
    """``NAME``, or ``name=NAME,alias=WEB,ip=10.0.0.2``."""
    if "=" not in text:
        return {"name": text}
    network: Tree = {}
    for word in _words("--network", text):
        key, value = pair("--network", word)
        if key == "name":
            network["name"] = value
        elif key in ("alias", "link-local-ip"):
            network.setdefault(_ENDPOINT_KEYS[key], []).append(value)
        elif key == "driver-opt":
            network.setdefault("driver_opts", {}).update([pair("--network", value)])
        elif key == "gw-priority":
            network[_ENDPOINT_KEYS[key]] = _whole("--network", value)
        elif key in _ENDPOINT_KEYS:
            network[_ENDPOINT_KEYS[key]] = value
        else:
            message = f"--network: unknown key {key!r}"
            raise errors.UsageError(message, hint=f"There are: name, {', '.join(_ENDPOINT_KEYS)}.")
    if not network.get("name"):
        message = f"--network: {text!r} names no network"
        raise errors.UsageError(message)
    return network


# --------------------------------------------------------------------------- text, problems


def as_text(tree: object) -> str:
    """A tree as a stack file: JSON that YAML reads alike, in which no ``$`` is a variable."""
    match tree:
        case dict():
            return "{" + ", ".join(f"{_quoted(str(k))}: {as_text(v)}" for k, v in tree.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(as_text, tree)) + "]"
        case bool():
            return "true" if tree else "false"
        case str():
            return _quoted(tree.replace("$", "$$"))
        case None:
            return "null"
    return str(tree)


def _quoted(text: str) -> str:
    """A double-quoted scalar of YAML 1.2 (5.7); raises ``UsageError`` for what is not Unicode."""
    pieces = []
    for character in text:
        code = ord(character)
        if 0xD800 <= code <= 0xDFFF:
            message = f"{text.encode('utf-8', 'surrogateescape')!r} is not UTF-8"
            raise errors.UsageError(message)
        if character in '"\\':
            pieces.append(f"\\{character}")
        elif character.isprintable() and code != 0xFEFF:
            pieces.append(character)
        else:
            pieces.append(f"\\U{code:08x}")
    return f'"{"".join(pieces)}"'


def translated(error: errors.StackFileError) -> errors.UsageError:
    """The loader's problems in the words of the command line."""
    sentences = dict.fromkeys(_sentence(problem) for problem in error.problems)
    hint = next((problem.hint for problem in error.problems if problem.hint), "")
    return errors.UsageError("; ".join(sentences), hint=hint)


def _sentence(problem: errors.Problem) -> str:
    flag = _flag_of(problem.path.split("."))
    return f"{flag}: {problem.message}" if flag else problem.message


def _flag_of(path: Sequence[str]) -> str:
    """The flag that an attribute's path comes from: ``services.NAME.mem_limit`` is ``--memory``."""
    words = [word.partition("[")[0] for word in path]
    if words[:1] == ["networks"]:
        return "--network"
    if words[:1] == ["volumes"]:
        return "--volume"
    for start in range(1, len(words)):
        for end in range(len(words), start, -1):
            flag = _FLAG_OF.get(".".join(words[start:end]))
            if flag:
                return flag
    return ""
