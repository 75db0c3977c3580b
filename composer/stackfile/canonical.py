"""Short forms become long ones: a table of path patterns and functions, applied in order.

After this pass every part of the tree has exactly one shape; later passes never ask which form the
author used.  Problems are collected, not raised.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator
from decimal import Decimal

from composer import errors
from composer.stackfile.tree import Node, Path, problem

MOST_PORTS = 10_000
"""Published ports of one stack.  Ranges are expanded, and three characters can stand for 65535 ports."""

Problems = list[errors.Problem]
Transform = Callable[[Node, Path, Problems], None]


def canonicalise(root: Node) -> Problems:
    """Apply the table to a merged tree, in place."""
    found: Problems = list(_too_many_ports(root))
    if found:
        return found
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
        if parts[0] != "*":
            named = node.child(parts[0])
            if named is not None:
                yield from walk(named, (*path, parts[0]), parts[1:])
            return
        for key, child in node.entries():
            if not key.startswith("x-"):
                yield from walk(child, (*path, key), parts[1:])
        for index, child in enumerate(node.items()):
            yield from walk(child, (*path, index), parts[1:])

    yield from walk(root, (), pattern.split("."))


def scalar_text(value: object) -> str:
    """A scalar as Compose prints it into strings (Go's ``%v``): ``1.0`` -> ``1``, true -> ``true``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return "" if value is None else str(value)


def _float_text(value: float) -> str:
    """The shortest digits; with an exponent below 1e-4 and from 1e6 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    number = Decimal(repr(value)).normalize()
    sign, digits, _ = number.as_tuple()
    power = number.adjusted()
    if -4 <= power < 6:
        return format(number, "f")
    first, rest = digits[0], "".join(map(str, digits[1:]))
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{power:+03d}"


def _too_many_ports(root: Node) -> Iterator[errors.Problem]:
    """Counted before anything is expanded."""
    count = 0
    for item, path in select(root, "services.*.ports.*"):
        target = scalar_text(item.value).partition("/")[0].rpartition(":")[2]
        first, dash, last = target.partition("-")
        is_range = dash and _is_number(first) and _is_number(last)
        count += max(1, int(last) - int(first) + 1) if is_range else 1
        if count > MOST_PORTS:
            yield problem(item, path, f"the stack publishes more than {MOST_PORTS} ports")
            return


def _is_number(text: str) -> bool:
    """Whether ``int`` reads it: ASCII digits, and not thousands of them."""
    return len(text) <= 20 and text.isascii() and text.isdecimal()


# ------------------------------------------------------------------ the functions


def _boolean(node: Node, _path: Path, _problems: Problems) -> None:
    """The schema lets ``"true"`` pass, because a variable is always text."""
    if isinstance(node.value, str):
        node.value = node.value.lower() == "true"


def _integer(node: Node, path: Path, problems: Problems) -> None:
    value = node.value
    if isinstance(value, str):
        sign, digits = value[:1] == "-", value.removeprefix("-")
        value = int(digits) * (-1 if sign else 1) if _is_number(digits) else math.nan
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**63:
        node.value = int(value)
        return
    problems.append(problem(node, path, f"{_shown(node.value)} is no usable number"))
    node.value = None


def _number(node: Node, path: Path, problems: Problems) -> None:
    value = node.value
    number = float(value) if isinstance(value, str | int | float) and len(str(value)) <= 40 else math.nan
    if math.isfinite(number):
        node.value = number
        return
    problems.append(problem(node, path, f"{_shown(node.value)} is no usable number"))
    node.value = None


def _mode(node: Node, path: Path, problems: Problems) -> None:
    """Text is octal; an unquoted ``0440`` was read as the octal number it is."""
    if isinstance(node.value, str):
        try:
            node.value = int(node.value, 8) if _is_number(node.value) else -1
        except ValueError:
            node.value = -1
    if not isinstance(node.value, int) or not 0 <= node.value <= 0o7777:
        problems.append(problem(node, path, "the mode is no octal number up to 7777", hint='Write "0440".'))
        node.value = None


def _shown(value: object) -> str:
    text = scalar_text(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


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
    if not _is_number(first) or (dash and not _is_number(last)):
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
    ("services.*.init", _boolean),
    ("services.*.read_only", _boolean),
    ("services.*.healthcheck.disable", _boolean),
    ("services.*.env_file.*.required", _boolean),
    ("services.*.depends_on.*.required", _boolean),
    ("services.*.depends_on.*.restart", _boolean),
    ("services.*.volumes.*.read_only", _boolean),
    ("services.*.volumes.*.bind.create_host_path", _boolean),
    ("services.*.volumes.*.volume.nocopy", _boolean),
    ("networks.*.internal", _boolean),
    ("networks.*.external", _boolean),
    ("volumes.*.external", _boolean),
    ("services.*.scale", _integer),
    ("services.*.pids_limit", _integer),
    ("services.*.healthcheck.retries", _integer),
    ("services.*.ports.*.target", _integer),
    ("services.*.cpus", _number),
    ("services.*.secrets.*.mode", _mode),
    ("services.*.configs.*.mode", _mode),
    ("services.*.volumes.*.tmpfs.mode", _mode),
    ("networks.*.labels", _key_values),
    ("volumes.*.labels", _key_values),
)
