"""What a schema cannot say, as Docker Compose v2.40.3 says it: references, exclusions, cycles.

``structure`` holds for the whole file, ``consistency`` for the active services (``config
--no-consistency`` leaves it out).  Every problem is collected.  What Docker Compose lets pass though
it cannot work is the business of ``feasibility``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping

from composer import errors
from composer.stackfile import ports
from composer.stackfile.normalise import SERVICE_REFERENCES
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, Table, dotted, problem, problem_of_key, section

Problems = Iterator[errors.Problem]


def structure(root: Node) -> list[errors.Problem]:
    """What is wrong with the file, whatever is active."""
    found: list[errors.Problem] = []
    for node, path, check in _STRUCTURE.select(root):
        if node.value is not None:
            found.extend(check(node, path))
    return found


def consistency(root: Node, active: frozenset[str]) -> list[errors.Problem]:
    """What does not fit together among the active services and what they refer to."""
    services = {name: node for name, node in section(root, "services").items() if name in active}
    found: list[errors.Problem] = []
    for name, service in services.items():
        for check in _CONSISTENCY:
            found.extend(check(service, ("services", name), root, services))
    found.extend(_container_names(services))
    found.extend(_cycle(services))
    return found


# ------------------------------------------------------------------ structure


def _external_volume(node: Node, path: Path) -> Problems:
    external = node.child("external")
    if external is None or external.value is not True:
        return
    for key, child in node.entries():
        if key not in ("external", "name") and not key.startswith("x-"):
            message = f"an external volume has no {key}: it exists already"
            yield problem(child, (*path, key), message, hint="Take away external or the other keys.")


def _one_source(*keys: str) -> Callable[[Node, Path], Problems]:
    def check(node: Node, path: Path) -> Problems:
        external = node.child("external")
        is_external = external is not None and external.value is True
        written = [key for key in keys if node.child(key) is not None]
        listed = f"{', '.join(keys[:-1])} or {keys[-1]}"
        if not written and not is_external:
            yield problem(node, path, f"expected one of {listed}", hint="Or external: true.")
        elif len(written) > 1:
            yield problem(node, path, f"{' and '.join(written)} exclude each other")

    return check


def _host_ip(node: Node, path: Path) -> Problems:
    host_ip = node.child("host_ip")
    if host_ip is not None and host_ip.value and not ports.is_address(scalar_text(host_ip.value)):
        yield problem(host_ip, (*path, "host_ip"), f"{host_ip.value!r} is no IP address")


def _device_request(node: Node, path: Path) -> Problems:
    if node.child("count") is not None and node.child("device_ids") is not None:
        yield problem(node, path, "count and device_ids exclude each other")


def _device(node: Node, path: Path) -> Problems:
    if isinstance(node.value, dict) and "target" not in node.value:
        yield problem(node, path, "the device has no target")


_STRUCTURE: Table[Callable[[Node, Path], Problems]] = Table(
    [
        ("volumes.*", _external_volume),
        ("configs.*", _one_source("file", "environment", "content")),
        ("secrets.*", _one_source("file", "environment")),
        ("services.*.ports.*", _host_ip),
        ("services.*.devices.*", _device),
        ("services.*.gpus.*", _device_request),
        ("services.*.deploy.resources.reservations.devices.*", _device_request),
    ]
)


# ------------------------------------------------------------------ consistency

Services = Mapping[str, Node]
Check = Callable[[Node, Path, Node, Services], Problems]


def _origin(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    if not isinstance(node.value, dict):
        return
    if not {"image", "build", "provider"} & {key for key, child in node.value.items() if child.value != ""}:
        hint = "A service needs one of image, build and provider."
        yield problem_of_key(node, path, "the service has neither an image nor a build section", hint=hint)


def _build(node: Node, path: Path, _root: Node, services: Services) -> Problems:
    build = node.child("build")
    if build is None:
        return
    path = (*path, "build")
    if _says(build, "dockerfile") and _says(build, "dockerfile_inline"):
        yield problem(build, path, "dockerfile and dockerfile_inline exclude each other")
    contexts = build.child("additional_contexts")
    for name, context in contexts.entries() if contexts is not None else ():
        text = scalar_text(context.value)
        if not text.startswith("service:"):
            continue
        other = text.removeprefix("service:")
        where = (*path, "additional_contexts", name)
        if other not in services:
            yield problem(context, where, f"undefined service {other!r}")
        elif services[other].child("build") is None:
            yield problem(context, where, f"service {other!r} is not built: its image cannot be a context")
    platform, platforms = node.child("platform"), build.child("platforms")
    listed = [scalar_text(item.value) for item in platforms.items()] if platforms is not None else []
    if platform is not None and platform.value and listed and platform.value not in listed:
        message = f"the service's platform {platform.value!r} is not among them"
        yield problem(platforms or build, (*path, "platforms"), message)


def _says(node: Node, key: str) -> bool:
    child = node.child(key)
    return child is not None and bool(child.value)


def _network_mode(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    networks = node.child("networks")
    if _says(node, "network_mode") and networks is not None and networks.value:
        yield problem(networks, (*path, "networks"), "network_mode and networks exclude each other")


def _references(node: Node, path: Path, root: Node, _services: Services) -> Problems:
    """Everything that a service names must be defined."""
    for kind in ("networks", "models"):
        named = node.child(kind)
        for key, child in named.entries() if named is not None else ():
            yield from _defined(child, (*path, kind, key), root, kind, key)
    for index, item in enumerate(_listed(node, "volumes")):
        source, type_ = item.child("source"), item.child("type")
        if source is not None and source.value and type_ is not None and type_.value == "volume":
            yield from _defined(item, (*path, "volumes", index), root, "volumes", scalar_text(source.value))
    build = node.child("build")
    for kind, holder, where in (
        ("secrets", node, path),
        ("configs", node, path),
        ("secrets", build, (*path, "build")),
    ):
        for index, item in enumerate(_listed(holder, kind)):
            source = item.child("source")
            name = scalar_text(source.value) if source is not None else ""
            yield from _defined(item, (*where, kind, index), root, kind, name)


def _listed(node: Node | None, key: str) -> list[Node]:
    child = node.child(key) if node is not None else None
    return list(child.items()) if child is not None else []


def _defined(node: Node, path: Path, root: Node, kind: str, name: str) -> Problems:
    if name not in section(root, kind):
        hint = meant(name, section(root, kind)) or f"Define it under the top-level {kind}."
        yield problem(node, path, f"undefined {kind[:-1]} {name!r}", hint=hint)


def meant(name: str, known: Iterable[str]) -> str:
    """The hint that names what is nearly called so; empty when nothing is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def _test(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    check = node.child("healthcheck")
    test = check.child("test") if check is not None else None
    words = [item.value for item in test.items()] if test is not None else []
    if words and words[0] not in ("CMD", "CMD-SHELL", "NONE"):
        hint = "A list begins with CMD, CMD-SHELL or NONE; a string needs no list."
        message = f"the test begins with {words[0]!r}"
        yield problem(test or node, (*path, "healthcheck", "test"), message, hint=hint)


def _depends_on(node: Node, path: Path, root: Node, services: Services) -> Problems:
    needed = node.child("depends_on")
    defined = section(root, "services")
    for name, child in needed.entries() if needed is not None else ():
        required = child.child("required")
        is_required = required is None or required.value is not False
        where = (*path, "depends_on", name)
        if name not in defined:
            hint = meant(name, defined) or f"There are: {', '.join(sorted(defined)[:12])}."
            yield problem(child, where, f"depends on undefined service {name!r}", hint=hint)
        elif name not in services and is_required:
            hint = "Activate it with --profile, or set required: false."
            yield problem(child, where, f"depends on {name!r}, which no active profile selects", hint=hint)


def _numbers(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    """What can be said in two places must be said alike."""
    deploy = node.child("deploy")
    scale, replicas = node.child("scale"), deploy.child("replicas") if deploy is not None else None
    if scale is not None and replicas is not None and scale.value != replicas.value:
        yield problem(replicas, (*path, "deploy", "replicas"), f"scale says {scale.value}")
    for name, child in (("scale", scale), ("deploy.replicas", replicas)):
        if child is not None and isinstance(child.value, int) and child.value < 0:
            yield problem(child, (*path, *name.split(".")), "cannot be negative")
    resources = deploy.child("resources") if deploy is not None else None
    for own, kind, key in (
        ("cpus", "limits", "cpus"),
        ("mem_limit", "limits", "memory"),
        ("mem_reservation", "reservations", "memory"),
        ("pids_limit", "limits", "pids"),
    ):
        mine, group = node.child(own), resources.child(kind) if resources is not None else None
        if mine is None or not mine.value or group is None or group.value is None:
            continue
        theirs = group.child(key)
        if theirs is None or theirs.value != mine.value:
            where = dotted((*path, own))
            message = f"must say the same as {where} ({scalar_text(mine.value)})"
            yield problem(theirs or group, (*path, "deploy", "resources", kind, key), message)


def _container_name(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    name, scale, deploy = (node.child(key) for key in ("container_name", "scale", "deploy"))
    replicas = scale or (deploy.child("replicas") if deploy is not None else None)
    count = replicas.value if replicas is not None else 1
    if name is not None and name.value and isinstance(count, int) and count > 1:
        message = f"{count} containers cannot all be called {name.value!r}"
        yield problem(name, (*path, "container_name"), message, hint="Take away container_name or scale.")


def _watch(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    develop = node.child("develop")
    for index, item in enumerate(_listed(develop, "watch")):
        action, target = item.child("action"), item.child("target")
        word = scalar_text(action.value) if action is not None else ""
        if word not in ("rebuild", "restart") and (target is None or not target.value):
            where = (*path, "develop", "watch", index)
            yield problem(item, where, f"{word or 'it'} needs a target in the container")


def _targets(node: Node, path: Path, _root: Node, _services: Services) -> Problems:
    taken: dict[str, Path] = {}
    listed: list[tuple[Node, Path, str]] = []
    for index, item in enumerate(_listed(node, "tmpfs")):
        listed.append((item, (*path, "tmpfs", index), scalar_text(item.value).partition(":")[0]))
    for index, item in enumerate(_listed(node, "volumes")):
        target = item.child("target")
        if target is not None:
            listed.append((item, (*path, "volumes", index), scalar_text(target.value)))
    for item, where, place in listed:
        first = taken.setdefault(place, where)
        if first != where:
            yield problem(item, where, f"{place} is a mount already: {dotted(first)}")


_CONSISTENCY: tuple[Check, ...] = (
    _origin,
    _build,
    _network_mode,
    _references,
    _test,
    _depends_on,
    _numbers,
    _container_name,
    _watch,
    _targets,
)


def _container_names(services: Services) -> Problems:
    taken: dict[object, str] = {}
    for name, service in services.items():
        written = service.child("container_name")
        if written is None or not written.value:
            continue
        first = taken.setdefault(written.value, name)
        if first != name:
            path = ("services", name, "container_name")
            yield problem(written, path, f"{written.value!r} is the name of {first}'s container already")


def _cycle(services: Services) -> Problems:
    edges: dict[str, list[str]] = {}
    for name, service in services.items():
        needed = service.child("depends_on")
        edges[name] = [key for key, _ in needed.entries()] if needed is not None else []
    chain = find_cycle(edges)
    if chain:
        node = services[chain[0]].child("depends_on") or services[chain[0]]
        why = "" if node.child(chain[1]) is None else _why(services[chain[0]], chain[1])
        shown = " -> ".join(chain)
        path = ("services", chain[0], "depends_on")
        yield problem(node, path, f"services depend on each other: {shown}", hint=why)


def _why(service: Node, name: str) -> str:
    """Where a dependency comes from that ``depends_on`` does not spell out."""
    for key in SERVICE_REFERENCES:
        reference = service.child(key)
        if reference is not None and reference.value == f"service:{name}":
            return f"{key}: service:{name} is a dependency."
    return ""


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
