"""Short forms become long ones: a table of path patterns and functions, applied in order.

After this pass every part of the tree has exactly one shape; later passes never ask which form the
author used.  Problems are collected, not raised.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator

from composer import errors
from composer.stackfile.tree import Node, Path, problem

Problems = list[errors.Problem]
Transform = Callable[[Node, Path, Problems], None]


def canonicalise(root: Node) -> Problems:
    """Apply the table to a merged tree, in place."""
    found: Problems = []
    for pattern, transform in TABLE:
        for node, path in list(select(root, pattern)):
            if node.value is not None:
                transform(node, path, found)
    return found


def select(root: Node, pattern: str) -> Iterator[tuple[Node, Path]]:
    """Every node that a pattern names, with its path; extension keys are left out."""

    def walk(node: Node, path: Path, parts: list[str]) -> Iterator[tuple[Node, Path]]:
        if not parts:
            yield node, path
            return
        for key, child in node.entries():
            if parts[0] in ("*", key) and not (parts[0] == "*" and key.startswith("x-")):
                yield from walk(child, (*path, key), parts[1:])
        if parts[0] == "*":
            for index, child in enumerate(node.items()):
                yield from walk(child, (*path, index), parts[1:])

    yield from walk(root, (), pattern.split("."))


def scalar_text(value: object) -> str:
    """A scalar as Compose prints it into strings (Go's formatting): ``1.0`` -> ``1``, true -> ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isfinite(value) and value == int(value) and abs(value) < 1e21:
            return str(int(value))
        return repr(value)
    return "" if value is None else str(value)


# ------------------------------------------------------------------ the functions


def _build(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, str):
        node.value = {"context": Node(node.value, node.place)}


def _key_values(node: Node, path: Path, problems: Problems) -> None:
    """A list of ``KEY=VALUE`` becomes a mapping; a key without value becomes null."""
    if not isinstance(node.value, list):
        return
    found: dict[str, Node] = {}
    for index, item in enumerate(node.value):
        key, equals, value = scalar_text(item.value).partition("=")
        if not key:
            problems.append(problem(item, (*path, index), "expected KEY=VALUE"))
            continue
        found[key] = Node(value if equals else None, item.place)
    node.value = found


def _words(node: Node, path: Path, problems: Problems) -> None:
    if isinstance(node.value, str):
        try:
            words = shlex.split(node.value)
        except ValueError as error:
            problems.append(problem(node, path, f"cannot split the command: {error}"))
            words = []
        node.value = [Node(word, node.place) for word in words]
    for item in node.items():
        item.value = scalar_text(item.value)


def _list(node: Node, _path: Path, _problems: Problems) -> None:
    if not isinstance(node.value, list):
        node.value = [Node(scalar_text(node.value), node.place)]
    for item in node.items():
        if not isinstance(item.value, dict):
            item.value = scalar_text(item.value)


def _env_files(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, str):
        node.value = [Node(node.value, node.place)]
    for item in node.items():
        if isinstance(item.value, str):
            item.value = {"path": Node(item.value, item.place)}


def _depends_on(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, list):
        node.value = {
            scalar_text(item.value): Node({"condition": Node("service_started", item.place)}, item.place)
            for item in node.value
        }


def _names(node: Node, _path: Path, _problems: Problems) -> None:
    """A list of names becomes a mapping of names to null."""
    if isinstance(node.value, list):
        node.value = {scalar_text(item.value): Node(None, item.place) for item in node.value}


def _test(node: Node, _path: Path, _problems: Problems) -> None:
    if not isinstance(node.value, list):
        text = scalar_text(node.value)
        node.value = [Node("CMD-SHELL", node.place), Node(text, node.place)]


def _grants(node: Node, _path: Path, _problems: Problems) -> None:
    for item in node.items():
        if isinstance(item.value, str):
            item.value = {"source": Node(item.value, item.place)}


def _ports(node: Node, path: Path, problems: Problems) -> None:
    if not isinstance(node.value, list):
        return
    expanded: list[Node] = []
    for index, item in enumerate(node.value):
        if isinstance(item.value, dict):
            expanded.append(item)
            continue
        try:
            expanded += _port_nodes(scalar_text(item.value), item)
        except ValueError as error:
            problems.append(problem(item, (*path, index), str(error)))
    node.value = expanded


def _port_nodes(text: str, item: Node) -> list[Node]:
    rest, _, protocol = text.partition("/")
    host_ip = ""
    if rest.startswith("["):
        address, bracket, rest = rest[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            message = f"invalid port {text!r}"
            raise ValueError(message)
        host_ip, rest = address, rest[1:]
    parts = rest.split(":")
    if len(parts) > (2 if host_ip else 3):
        message = f"invalid port {text!r}: expected [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]"
        raise ValueError(message)
    target = _range(parts[-1], text)
    published = _range(parts[-2], text) if len(parts) > 1 and parts[-2] else None
    if len(parts) == 3:
        host_ip = parts[0]
    if published is not None and len(published) != len(target):
        message = f"{text!r}: a published range for other than as many targets is unsupported"
        raise ValueError(message)
    nodes = []
    for position, port in enumerate(target):
        value = {"target": Node(port, item.place), "protocol": Node(protocol or "tcp", item.place)}
        if published is not None:
            value["published"] = Node(str(published[position]), item.place)
        if host_ip:
            value["host_ip"] = Node(host_ip, item.place)
        nodes.append(Node(value, item.place))
    return nodes


def _range(text: str, whole: str) -> list[int]:
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        message = f"invalid port {whole!r}: {text!r} is no port"
        raise ValueError(message)
    low, high = int(first), int(last) if dash else int(first)
    if not 0 < low <= high <= 65535:
        message = f"invalid port {whole!r}: ports are between 1 and 65535"
        raise ValueError(message)
    return list(range(low, high + 1))


def _mounts(node: Node, path: Path, problems: Problems) -> None:
    for index, item in enumerate(node.items()):
        if isinstance(item.value, dict) or item.value is None:
            continue
        try:
            item.value = _mount(scalar_text(item.value), item)
        except ValueError as error:
            problems.append(problem(item, (*path, index), str(error)))


def _mount(text: str, item: Node) -> dict[str, Node]:
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        message = f"invalid mount {text!r}: expected [SOURCE:]TARGET[:OPTIONS]"
        raise ValueError(message)
    options = parts[2].split(",") if len(parts) == 3 else []
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    is_bind = source.startswith((".", "/", "~"))
    value = {
        "type": Node("bind" if is_bind else "volume", item.place),
        "target": Node(target, item.place),
    }
    if source:
        value["source"] = Node(source, item.place)
    for option in options:
        _mount_option(option, text, value, item)
    return value


def _mount_option(option: str, text: str, value: dict[str, Node], item: Node) -> None:
    if option == "ro":
        value["read_only"] = Node(True, item.place)
    elif option == "nocopy":
        value["volume"] = Node({"nocopy": Node(True, item.place)}, item.place)
    elif option not in ("rw", "z", "Z", "cached", "delegated", "consistent"):
        message = f"invalid mount {text!r}: option {option!r} is unsupported"
        raise ValueError(message)


TABLE: tuple[tuple[str, Transform], ...] = (
    ("services.*.build", _build),
    ("services.*.build.args", _key_values),
    ("services.*.environment", _key_values),
    ("services.*.labels", _key_values),
    ("services.*.command", _words),
    ("services.*.entrypoint", _words),
    ("services.*.env_file", _env_files),
    ("services.*.depends_on", _depends_on),
    ("services.*.networks", _names),
    ("services.*.healthcheck.test", _test),
    ("services.*.secrets", _grants),
    ("services.*.configs", _grants),
    ("services.*.ports", _ports),
    ("services.*.volumes", _mounts),
    ("services.*.tmpfs", _list),
    ("services.*.cap_add", _list),
    ("services.*.cap_drop", _list),
    ("services.*.profiles", _list),
    ("networks.*.labels", _key_values),
    ("volumes.*.labels", _key_values),
)
