"""What of a tree counts: the active services, and the resources that they use.

Active are services without profiles, those of active profiles, and those named on the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from composer.stackfile.interpolate import Use, uses_in
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, section


def active_services(root: Node, profiles: Iterable[str], named: Iterable[str]) -> frozenset[str]:
    """The names of the active services; naming a service activates its profiles."""
    written = section(root, "services")
    wanted = set(profiles)
    named = set(named)
    for name in named:
        wanted.update(profiles_of(written[name]) if name in written else ())
    return frozenset(
        name
        for name, node in written.items()
        if not (own := profiles_of(node)) or "*" in wanted or wanted & set(own) or name in named
    )


def profiles_of(service: Node) -> tuple[str, ...]:
    """The profiles of a service."""
    listed = service.child("profiles")
    return tuple(scalar_text(item.value) for item in listed.items()) if listed is not None else ()


def with_dependencies(services: Mapping[str, Node], named: Iterable[str]) -> frozenset[str]:
    """The named services and all that they depend on, directly or not."""
    found: set[str] = set()
    waiting = [name for name in named if name in services]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        needed = services[name].child("depends_on")
        waiting += [key for key, _ in needed.entries() if key in services] if needed is not None else []
    return frozenset(found)


def selected(root: Node, active: frozenset[str]) -> Node:
    """The tree with active services and used resources only.  The nodes are shared, not copied."""
    services = {name: node for name, node in section(root, "services").items() if name in active}
    used = used_resources(services)
    found: dict[str, Node] = {}
    for key, node in root.entries():
        if key == "services":
            found[key] = Node(dict(services), node.place)
        elif key in used:
            kept = {name: child for name, child in node.entries() if name in used[key]}
            if kept:
                found[key] = Node(dict(kept), node.place)
        else:
            found[key] = node
    found.setdefault("services", Node({}, root.place))
    return Node(found, root.place)


def used_resources(services: Mapping[str, Node]) -> dict[str, set[str]]:
    """By top-level section the keys that services refer to."""
    used: dict[str, set[str]] = {
        kind: set() for kind in ("networks", "volumes", "secrets", "configs", "models")
    }
    for service in services.values():
        for kind in ("networks", "models"):
            node = service.child(kind)
            used[kind].update(key for key, _ in (node.entries() if node is not None else ()))
        for item in _items(service, "volumes"):
            source, type_ = item.child("source"), item.child("type")
            if source is not None and source.value and type_ is not None and type_.value == "volume":
                used["volumes"].add(scalar_text(source.value))
        build = service.child("build")
        for kind, holder in (("secrets", service), ("configs", service), ("secrets", build)):
            for item in _items(holder, kind):
                source = item.child("source")
                if source is not None:
                    used[kind].add(scalar_text(source.value))
    return used


def _items(node: Node | None, key: str) -> list[Node]:
    child = node.child(key) if node is not None else None
    return list(child.items()) if child is not None else []


def profiles_in(root: Node) -> list[str]:
    """Every profile that some service has, sorted."""
    return sorted({name for node in section(root, "services").values() for name in profiles_of(node)})


def variables_in(root: Node) -> list[Use]:
    """The variables that a tree without interpolation uses, by name; what is said of one adds up."""
    found: dict[str, Use] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.items())
        waiting.extend(child for _, child in node.entries())
        for use in uses_in(node.value) if isinstance(node.value, str) else ():
            known = found.get(use.name, use)
            found[use.name] = Use(
                use.name,
                required=known.required or use.required,
                default=known.default or use.default,
                alternate=known.alternate or use.alternate,
            )
    return [found[name] for name in sorted(found)]
