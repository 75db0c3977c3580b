"""What a schema cannot say: references that must exist, values that must fit, cycles.

A table of path patterns and checks over the canonical tree; every problem is collected.
"""

from __future__ import annotations

import posixpath
import re
import signal
from collections.abc import Callable, Iterator, Mapping

from composer import errors
from composer.model.quantity import ByteSize, Duration
from composer.stackfile import subnets, tmpfs
from composer.stackfile.canonical import scalar_text, select
from composer.stackfile.tree import Node, Path, problem

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
_REMOTE = re.compile(r"(https?|git|ssh|docker-image|service|oci-layout)://?|service:|git@|github\.com/")
_PROBES = ("CMD", "CMD-SHELL", "NONE")


def problems_in(root: Node) -> list[errors.Problem]:
    """Every broken rule."""
    found: list[errors.Problem] = []
    for pattern, check in TABLE:
        for node, path in select(root, pattern):
            if node.value is not None:
                found.extend(check(node, path, root))
    found.extend(_cycle(root))
    return found


def _service(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if not isinstance(node.value, dict):
        yield problem(node, path, "expected a service section, found nothing")
        return
    if node.child("image") is None and node.child("build") is None:
        yield problem(node, path, "the service has neither an image nor a build section")


def _build(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    context = node.child("context")
    if context is not None and _REMOTE.match(scalar_text(context.value)):
        yield problem(
            context, (*path, "context"), "a remote context is unsupported", hint="Name a directory."
        )
    if node.child("dockerfile") is not None and node.child("dockerfile_inline") is not None:
        yield problem(node, path, "dockerfile and dockerfile_inline exclude each other")


def _duration(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    try:
        Duration.parse(scalar_text(node.value))
    except ValueError as error:
        yield problem(node, path, str(error), hint="Write it like 1m30s, 10s or 500ms.")


def _size(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    try:
        ByteSize.parse(scalar_text(node.value))
    except ValueError as error:
        yield problem(node, path, str(error), hint="Write it like 64m or 1g.")


def _restart(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    word, colon, count = scalar_text(node.value).partition(":")
    is_known = word in ("no", "false", "always", "unless-stopped", "on-failure", "")
    if not is_known or (colon and (word != "on-failure" or not _is_small_number(count))):
        yield problem(
            node, path, f"unknown restart policy {scalar_text(node.value)!r}",
            hint="Use no, always, on-failure[:N] or unless-stopped.",
        )  # fmt: skip


def _scale(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and not 0 <= node.value <= MOST_REPLICAS:
        yield problem(node, path, f"scale is between 0 and {MOST_REPLICAS}")


def _cpus(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, float) and not 0 <= node.value <= 1_000_000:
        yield problem(node, path, f"{scalar_text(node.value)} is no number of processors")


def _pids_limit(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and not -1 <= node.value <= _MOST_PIDS:
        yield problem(node, path, f"pids_limit is between 1 and {_MOST_PIDS}, or -1 for no limit")


def _retries(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if isinstance(node.value, int) and node.value < 0:
        yield problem(node, path, "retries cannot be negative")


def _test(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    words = [scalar_text(item.value) for item in node.items()]
    if words and words[0] not in _PROBES:
        yield problem(node, path, f"the test begins with {words[0]!r}",
                      hint="A list begins with CMD, CMD-SHELL or NONE; a string needs no list.")  # fmt: skip


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


def _keys(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """The key becomes part of names of containers, directories and of argument lists."""
    for name, child in node.entries():
        if not name.startswith("x-") and not _KEY.fullmatch(name):
            shown = name if len(name) <= 40 else f"{name[:40]}..."
            yield problem(child, (*path, shown), f"{shown!r} is not a valid name",
                          hint="At most 128 letters, digits, . _ -; not a dot or dash first.")  # fmt: skip


def _name(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    text = scalar_text(node.value)
    if not _RESOURCE_NAME.fullmatch(text):
        yield problem(node, path, f"{text!r} is not a valid name",
                      hint="At most 128 letters, digits, . _ -; a letter or digit first.")  # fmt: skip


def _tmpfs(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    try:
        tmpfs.mount_of(scalar_text(node.value))
    except ValueError as error:
        yield problem(node, path, str(error))


def _targets(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    """Of several ``volumes`` at one place the last wins, as in Docker; a ``tmpfs`` there is an error."""
    mounts, listed = node.child("volumes"), node.child("tmpfs")
    targets = [mount.child("target") for mount in (mounts.items() if mounts else ())]
    taken = {posixpath.normpath(scalar_text(target.value)) for target in targets if target is not None}
    for index, item in enumerate(listed.items() if listed else ()):
        place = posixpath.normpath(scalar_text(item.value).partition(":")[0])
        if place in taken:
            yield problem(item, (*path, "tmpfs", index), f"{place} is a mount already")
        taken.add(place)


def _port(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    for key in ("target", "published"):
        child = node.child(key)
        text = scalar_text(child.value) if child and child.value is not None else "1"
        if not _is_small_number(text) or (
            not (key == "published" and text == "0") and not 0 < int(text) <= 65535
        ):
            yield problem(child or node, (*path, key), f"{text!r} is no port", hint="Ports are 1 to 65535.")
    protocol = node.child("protocol")
    if protocol is not None and protocol.value not in ("tcp", "udp"):
        yield problem(protocol, (*path, "protocol"), f"protocol {protocol.value!r} is unsupported")
    host_ip = node.child("host_ip")
    if host_ip is not None and not subnets.is_ipv4(scalar_text(host_ip.value)):
        yield problem(host_ip, (*path, "host_ip"), f"host address {host_ip.value!r} is unsupported",
                      hint="Use an IPv4 address.")  # fmt: skip


def _is_small_number(text: str) -> bool:
    return len(text) <= 9 and text.isascii() and text.isdecimal()


def _mount(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    kind, source, target = (node.child(key) for key in ("type", "source", "target"))
    if target is not None and not scalar_text(target.value).startswith("/"):
        yield problem(target, (*path, "target"), f"mount target {target.value!r} is not an absolute path")
    name = scalar_text(source.value) if source else ""
    if kind is not None and kind.value == "volume" and name:
        yield from _defined(node, path, root, "volumes", name)
    if kind is not None and kind.value == "bind" and not name:
        yield problem(node, path, "a bind mount needs a source")
    if name.startswith(("-", "..")) and kind is not None and kind.value == "volume":
        yield problem(node, path, f"invalid volume name {name!r}")


def _defined(node: Node, path: Path, root: Node, section: str, name: str) -> Iterator[errors.Problem]:
    there = root.child(section)
    if there is None or there.child(name) is None:
        yield problem(node, path, f"undefined {section[:-1]} {name!r}",
                      hint=f"Define it under the top-level {section}.")  # fmt: skip


def _networks(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    for name, child in node.entries():
        if name != "default":
            yield from _defined(child, (*path, name), root, "networks", name)


def _grant(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    source = node.child("source")
    section = str(path[2])
    if source is not None:
        yield from _defined(node, path, root, section, scalar_text(source.value))
    for key in ("uid", "gid"):
        child = node.child(key)
        if child is not None and not _is_small_number(scalar_text(child.value)):
            yield problem(child, (*path, key), f"{key} must be a number")


def _depends_on(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    services = root.child("services") or root
    for name, child in node.entries():
        required = child.child("required")
        if services.child(name) is None and (required is None or required.value is not False):
            yield problem(child, (*path, name), f"depends on undefined service {name!r}")


def _material(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    sources = [key for key in ("file", "environment", "content") if node.child(key) is not None]
    if len(sources) != 1:
        yield problem(
            node,
            path,
            f"exactly one of file, environment{', content' if path[0] == 'configs' else ''} is needed",
        )


def _driver(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    allowed = {"networks": ("bridge", "default"), "volumes": ("local", "default")}[str(path[0])]
    if node.value not in allowed:
        yield problem(
            node, path, f"driver {node.value!r} is unsupported", hint=f"Only {allowed[0]} is known."
        )


def _external(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    if node.value is True:
        yield problem(node, path, "external resources are unsupported by this version of composer")


def _capability(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    word = scalar_text(node.value).upper().removeprefix("CAP_")
    if not word.replace("_", "").isalpha():
        yield problem(node, path, f"{node.value!r} is no capability")


def _cycle(root: Node) -> Iterator[errors.Problem]:
    services = root.child("services")
    edges: dict[str, list[str]] = {}
    for name, service in services.entries() if services else ():
        needed = service.child("depends_on")
        edges[name] = [key for key, _ in needed.entries()] if needed else []
    chain = find_cycle(edges)
    if chain and services is not None:
        node = services.child(chain[0]) or services
        shown = " -> ".join(chain)
        yield problem(node, ("services", chain[0], "depends_on"), f"dependency cycle: {shown}")


def find_cycle(edges: Mapping[str, list[str]]) -> list[str]:
    """One cycle as a chain that ends where it began; empty when there is none.  Iterative: depth is free."""
    done: set[str] = set()
    for start in edges:
        trail: list[tuple[str, Iterator[str]]] = [(start, iter(edges[start]))]
        on_trail = {start: None}  # ordered, and quick to ask: a chain may have thousands of links
        while trail and start not in done:
            name, following = trail[-1]
            needed = next((other for other in following if other in edges and other not in done), None)
            if needed is None:
                done.add(name)
                trail.pop()
                del on_trail[name]
            elif needed in on_trail:
                names = list(on_trail)
                return [*names[names.index(needed) :], needed]
            else:
                trail.append((needed, iter(edges[needed])))
                on_trail[needed] = None
    return []


TABLE: tuple[tuple[str, Check], ...] = (
    ("services", _keys),
    ("networks", _keys),
    ("volumes", _keys),
    ("secrets", _keys),
    ("configs", _keys),
    ("networks.*.name", _name),
    ("volumes.*.name", _name),
    ("services.*", _service),
    ("services.*.build", _build),
    ("services.*", _targets),
    ("services.*.restart", _restart),
    ("services.*.stop_signal", _stop_signal),
    ("services.*.hostname", _host_name),
    ("services.*.working_dir", _working_dir),
    ("services.*.environment", _variables),
    ("services.*.build.args", _variables),
    ("services.*.tmpfs.*", _tmpfs),
    ("services.*.pids_limit", _pids_limit),
    ("services.*.healthcheck.retries", _retries),
    ("services.*.healthcheck.test", _test),
    ("services.*.networks.*.aliases.*", _host_name),
    ("services.*.networks.*.ipv4_address", subnets.own_address),
    ("networks.*.ipam.config", subnets.ipam),
    ("services.*.stop_grace_period", _duration),
    ("services.*.healthcheck.interval", _duration),
    ("services.*.healthcheck.timeout", _duration),
    ("services.*.healthcheck.start_period", _duration),
    ("services.*.healthcheck.start_interval", _duration),
    ("services.*.mem_limit", _size),
    ("services.*.cpus", _cpus),
    ("services.*.scale", _scale),
    ("services.*.ports.*", _port),
    ("services.*.volumes.*", _mount),
    ("services.*.volumes.*.tmpfs.size", _size),
    ("services.*.networks", _networks),
    ("services.*.secrets.*", _grant),
    ("services.*.configs.*", _grant),
    ("services.*.depends_on", _depends_on),
    ("services.*.cap_add.*", _capability),
    ("services.*.cap_drop.*", _capability),
    ("secrets.*", _material),
    ("configs.*", _material),
    ("networks.*.driver", _driver),
    ("volumes.*.driver", _driver),
    ("networks.*.external", _external),
    ("volumes.*.external", _external),
)
