"""Several files become one tree: Compose's override rules as a table of path patterns.

Mappings merge, lists append, scalars are replaced, null changes nothing; the table names the
exceptions.  ``!reset`` takes a value away, ``!override`` replaces without merging.  What appended
lists hold twice is the business of ``unicity``.
Source: Compose Specification, "Merge and override", and what Docker Compose v2.40.3 does.
"""

from __future__ import annotations

from collections.abc import Callable

from composer import errors
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, Table, problem

Problems = list[errors.Problem]
Rule = Callable[[Node, Node, Path, Problems], Node]


def merged(base: Node, override: Node, path: Path, problems: Problems) -> Node:
    """``override`` laid over ``base``; neither may be used afterwards."""
    if override.override:
        return _replacing(base, override)
    rule = TABLE.find(path)
    if rule is not None:
        return rule(base, override, path, problems)
    if override.value is None:
        return base
    if isinstance(base.value, dict | list):
        if type(base.value) is not type(override.value):
            wanted = "a mapping" if isinstance(base.value, dict) else "a list"
            where = f"{base.place.file}:{base.place.line}"
            problems.append(
                problem(
                    override, path, f"cannot override: it is {wanted} at {where}, and something else here"
                )
            )
            return base
        return (
            _mappings(base, override, path, problems)
            if isinstance(base.value, dict)
            else _appended(base, override)
        )
    return _replacing(base, override)


def without_resets(node: Node) -> Node:
    """Take away what ``!reset`` marks; done after merging, so that it reaches the base's value."""
    if isinstance(node.value, dict):
        node.value = {
            key: without_resets(child) for key, child in node.value.items() if child.override != "reset"
        }
    elif isinstance(node.value, list):
        node.value = [without_resets(child) for child in node.value if child.override != "reset"]
    if node.override == "override":
        node.override = ""
    return node


def as_mapping(node: Node) -> None:
    """A list of names becomes a mapping of names to null, in place."""
    if isinstance(node.value, list):
        node.value = {scalar_text(item.value): Node(None, item.place) for item in node.value}
    elif node.value is None:
        node.value = {}


def as_dependencies(node: Node) -> None:
    """A list of services becomes the mapping of ``depends_on``, in place."""
    if isinstance(node.value, list):
        node.value = {
            scalar_text(item.value): Node(
                {"condition": Node("service_started", item.place), "required": Node(True, item.place)},
                item.place,
            )
            for item in node.value
        }


def as_sequence(node: Node) -> None:
    """A mapping becomes a list of ``KEY=VALUE``, a scalar a list of one, in place."""
    if isinstance(node.value, dict):
        items: list[Node] = []
        for key, child in node.value.items():
            values = child.value if isinstance(child.value, list) else [child]
            for value in values:
                text = key if value.value is None else f"{key}={scalar_text(value.value)}"
                items.append(Node(text, value.place, value.override, value.written, value.former))
        node.value = items
    elif node.value is None:
        node.value = []
    elif not isinstance(node.value, list):
        node.value = [Node(node.value, node.place, written=node.written)]


def as_build(node: Node) -> None:
    """``build: DIR`` is ``build: {context: DIR}``, in place."""
    if isinstance(node.value, str):
        node.value = {"context": Node(node.value, node.place, written=node.written)}


# ------------------------------------------------------------------ the rules


def _replacing(base: Node, override: Node) -> Node:
    override.former = base if override.former is None else override.former
    return override


def _replace(base: Node, override: Node, _path: Path, _problems: Problems) -> Node:
    return _replacing(base, override)


def _mappings(base: Node, override: Node, path: Path, problems: Problems) -> Node:
    assert isinstance(base.value, dict)
    assert isinstance(override.value, dict)
    value = base.value
    for key, child in override.value.items():
        there = value.get(key)
        value[key] = child if there is None else merged(there, child, (*path, key), problems)
    return base


def _appended(base: Node, override: Node) -> Node:
    assert isinstance(base.value, list)
    assert isinstance(override.value, list)
    base.value.extend(override.value)
    return base


def _through(shape: Callable[[Node], None]) -> Rule:
    """Both sides are brought to one shape, then merged as such."""

    def rule(base: Node, override: Node, path: Path, problems: Problems) -> Node:
        if isinstance(base.value, dict) and isinstance(override.value, dict):
            for key, child in override.value.items():
                if child.override:  # a key's place in a list cannot carry the tag
                    base.value.pop(key, None)
            override = without_resets(override)
        for node in (base, override):
            shape(node)
        if isinstance(base.value, dict) and isinstance(override.value, dict):
            return _mappings(base, override, path, problems)
        if isinstance(base.value, list) and isinstance(override.value, list):
            return _appended(base, override)
        return base if override.value is None else _replacing(base, override)

    return rule


def _extra_hosts(base: Node, override: Node, _path: Path, _problems: Problems) -> Node:
    """One host may have several addresses: only whole entries are the same."""
    for node in (base, override):
        as_sequence(node)
    assert isinstance(base.value, list)
    known = {item.value for item in base.items()}
    base.value.extend(item for item in override.items() if item.value not in known)
    return base


def _logging(base: Node, override: Node, path: Path, problems: Problems) -> Node:
    """Options of one driver mean nothing to another."""
    drivers = [node.child("driver") for node in (base, override)]
    named = {driver.value for driver in drivers if driver is not None}
    is_same = len(named) < 2 or None in drivers
    if is_same and isinstance(base.value, dict) and isinstance(override.value, dict):
        return _mappings(base, override, path, problems)
    return base if override.value is None else _replacing(base, override)


def _ulimit(base: Node, override: Node, path: Path, problems: Problems) -> Node:
    if isinstance(base.value, dict) and isinstance(override.value, dict):
        return _mappings(base, override, path, problems)
    return _replacing(base, override)


def _address_pools(base: Node, override: Node, path: Path, problems: Problems) -> Node:
    """The override's entries, each laid over the one of its subnet, if there is one."""
    if not isinstance(base.value, list) or not isinstance(override.value, list):
        return base if override.value is None else _replacing(base, override)
    known = {scalar_text(subnet.value): item for item in base.items() if (subnet := item.child("subnet"))}
    pools = []
    for item in override.value:
        subnet = item.child("subnet")
        there = known.get(scalar_text(subnet.value)) if subnet is not None else None
        pools.append(item if there is None else merged(there, item, (*path, 0), problems))
    override.value = pools
    return _replacing(base, override)


_LISTS_OF_KEYS = """networks.*.labels volumes.*.labels secrets.*.labels configs.*.labels
    services.*.annotations services.*.build.args services.*.build.additional_contexts
    services.*.build.labels services.*.deploy.labels services.*.dns services.*.dns_opt
    services.*.dns_search services.*.env_file services.*.label_file services.*.environment
    services.*.labels services.*.volumes.*.volume.labels services.*.sysctls services.*.tmpfs"""

TABLE: Table[Rule] = Table(
    [
        *((pattern, _through(as_sequence)) for pattern in _LISTS_OF_KEYS.split()),
        ("services.*.command", _replace),
        ("services.*.entrypoint", _replace),
        ("services.*.healthcheck.test", _replace),
        ("services.*.build", _through(as_build)),
        ("services.*.depends_on", _through(as_dependencies)),
        ("services.*.networks", _through(as_mapping)),
        ("services.*.models", _through(as_mapping)),
        ("services.*.extra_hosts", _extra_hosts),
        ("services.*.build.extra_hosts", _extra_hosts),
        ("services.*.logging", _logging),
        ("services.*.ulimits.*", _ulimit),
        ("networks.*.ipam.config", _address_pools),
    ]
)
