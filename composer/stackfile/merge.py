"""Several files become one tree: Compose's override rules as a table of path patterns.

Mappings merge, lists append without duplicates, scalars are replaced; the table names the
exceptions.  ``!reset`` takes a value away, ``!override`` replaces without merging.
Source: Compose Specification, "Merge and override".
"""

from __future__ import annotations

from collections.abc import Callable

from composer.stackfile import canonical
from composer.stackfile.tree import Node, Path, matches, plain

Rule = Callable[[Node, Node, Path], Node]


def merged(base: Node, override: Node, path: Path = ()) -> Node:
    """``override`` laid over ``base``."""
    if override.override == "override" or override.value is None:
        return override if override.override or override.value is not None else base
    for pattern, rule in TABLE:
        if matches(pattern, path):
            return rule(base, override, path)
    if isinstance(base.value, dict) and isinstance(override.value, dict):
        return _mappings(base, override, path)
    if isinstance(base.value, list) and isinstance(override.value, list):
        return _appended(base, override)
    return override


def without_resets(node: Node) -> Node:
    """Take away what ``!reset`` marks; done after merging, so that it reaches the base's value."""
    if isinstance(node.value, dict):
        node.value = {
            key: without_resets(child) for key, child in node.value.items() if child.override != "reset"
        }
    elif isinstance(node.value, list):
        node.value = [without_resets(child) for child in node.value if child.override != "reset"]
    return node


def _mappings(base: Node, override: Node, path: Path) -> Node:
    assert isinstance(base.value, dict)
    assert isinstance(override.value, dict)
    value = dict(base.value)
    for key, child in override.value.items():
        if child.override == "reset" or key not in value:
            value[key] = child
        else:
            value[key] = merged(value[key], child, (*path, key))
    return Node(value, override.place)


def _appended(base: Node, override: Node) -> Node:
    assert isinstance(base.value, list)
    assert isinstance(override.value, list)
    known = {repr(plain(item)) for item in base.value}
    added = (item for item in override.value if repr(plain(item)) not in known)
    return Node([*base.value, *added], base.place)


def _replace(_base: Node, override: Node, _path: Path) -> Node:
    return override


def _key_values(base: Node, override: Node, path: Path) -> Node:
    """Lists of KEY=VALUE and mappings are the same thing."""
    for node in (base, override):
        canonical._key_values(node, path, [])
    return _mappings(base, override, path)


def _names(base: Node, override: Node, path: Path) -> Node:
    convert = canonical._depends_on if path[-1] == "depends_on" else canonical._names
    for node in (base, override):
        convert(node, path, [])
    return _mappings(base, override, path)


def _build(base: Node, override: Node, path: Path) -> Node:
    for node in (base, override):
        canonical._build(node, path, [])
    return _mappings(base, override, path)


def _by_target(base: Node, override: Node, path: Path) -> Node:
    """Mounts and grants: the same target is the same thing, the override wins at its place."""
    convert = canonical._mounts if path[-1] == "volumes" else canonical._grants
    for node in (base, override):
        convert(node, path, [])
    found: dict[str, Node] = {}
    for node in (*base.items(), *override.items()):
        target = node.child("target") or node.child("source")
        found[str(target.value) if target else str(len(found))] = node
    return Node(list(found.values()), base.place)


def _scalars_to_lists(base: Node, override: Node, path: Path) -> Node:
    for node in (base, override):
        canonical._list(node, path, [])
    return _appended(base, override)


def _env_files(base: Node, override: Node, path: Path) -> Node:
    for node in (base, override):
        canonical._env_files(node, path, [])
    return _appended(base, override)


TABLE: tuple[tuple[str, Rule], ...] = (
    ("services.*.command", _replace),
    ("services.*.entrypoint", _replace),
    ("services.*.healthcheck.test", _replace),
    ("services.*.environment", _key_values),
    ("services.*.labels", _key_values),
    ("services.*.build.args", _key_values),
    ("services.*.build", _build),
    ("services.*.depends_on", _names),
    ("services.*.networks", _names),
    ("services.*.volumes", _by_target),
    ("services.*.secrets", _by_target),
    ("services.*.configs", _by_target),
    ("services.*.tmpfs", _scalars_to_lists),
    ("services.*.env_file", _env_files),
    ("networks.*.labels", _key_values),
    ("volumes.*.labels", _key_values),
)
