"""What a schema cannot say: references that must exist, values that must fit, cycles.

A table of path patterns and checks over the canonical tree; every problem is collected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from composer import errors
from composer.model.quantity import ByteSize, Duration
from composer.stackfile.canonical import scalar_text, select
from composer.stackfile.tree import Node, Path, problem

Check = Callable[[Node, Path, Node], Iterator[errors.Problem]]

MOST_REPLICAS = 1000
"""A network has no more addresses and a bridge no more ports (1023) than that."""


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
    if not is_known or (colon and (word != "on-failure" or not count.isdecimal())):
        yield problem(
            node, path, f"unknown restart policy {scalar_text(node.value)!r}",
            hint="Use no, always, on-failure[:N] or unless-stopped.",
        )  # fmt: skip


def _scale(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    count = int(scalar_text(node.value))
    if not 0 <= count <= MOST_REPLICAS:
        yield problem(node, path, f"scale is between 0 and {MOST_REPLICAS}")


def _cpus(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    value = float(scalar_text(node.value))
    if not 0 <= value < math.inf:
        yield problem(node, path, f"{scalar_text(node.value)} is no number of processors")


def _port(node: Node, path: Path, _root: Node) -> Iterator[errors.Problem]:
    for key in ("target", "published"):
        child = node.child(key)
        text = scalar_text(child.value) if child else "1"
        if not text.isdecimal() or (not (key == "published" and text == "0") and not 0 < int(text) <= 65535):
            yield problem(child or node, (*path, key), f"{text!r} is no port", hint="Ports are 1 to 65535.")
    protocol = node.child("protocol")
    if protocol is not None and protocol.value not in ("tcp", "udp"):
        yield problem(protocol, (*path, "protocol"), f"protocol {protocol.value!r} is unsupported")
    host_ip = node.child("host_ip")
    if host_ip is not None and not _is_ipv4(scalar_text(host_ip.value)):
        yield problem(host_ip, (*path, "host_ip"), f"host address {host_ip.value!r} is unsupported",
                      hint="Use an IPv4 address.")  # fmt: skip


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdecimal() and int(part) < 256 for part in parts)


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
    if there is None or (there.child(name) is None and name not in dict(there.entries())):
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
        if child is not None and not scalar_text(child.value).isdecimal():
            yield problem(child, (*path, key), f"{key} must be a number")


def _depends_on(node: Node, path: Path, root: Node) -> Iterator[errors.Problem]:
    services = root.child("services")
    known = dict(services.entries()) if services else {}
    for name, child in node.entries():
        required = child.child("required")
        if name not in known and (required is None or required.value is not False):
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
        on_trail = [start]
        while trail and start not in done:
            name, following = trail[-1]
            needed = next((other for other in following if other in edges and other not in done), None)
            if needed is None:
                done.add(name)
                trail.pop()
                on_trail.pop()
            elif needed in on_trail:
                return [*on_trail[on_trail.index(needed) :], needed]
            else:
                trail.append((needed, iter(edges[needed])))
                on_trail.append(needed)
    return []


TABLE: tuple[tuple[str, Check], ...] = (
    ("services.*", _service),
    ("services.*.build", _build),
    ("services.*.restart", _restart),
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
