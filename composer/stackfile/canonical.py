"""Short forms become long ones: a table of path patterns and functions, applied in order.

After this pass every structure of the tree has exactly one shape, whichever form the author used.
What stays as written are lists of ``KEY=VALUE`` and scalars: merging wants them so, and ``typed``
settles them at the end.  Problems are collected, not raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from composer import errors
from composer.stackfile import merge, mounts, ports
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, Scalar, Table, problem

MOST_PORTS = 10_000
"""Published ports of one stack.  Ranges are expanded, and three characters can stand for 65535 ports."""

Problems = list[errors.Problem]
Transform = Callable[[Node, Path, Problems], None]


def canonicalise(root: Node, *, lenient: bool = False) -> Problems:
    """Apply the table, in place.  Doing it twice changes nothing.

    ``lenient`` leaves a short form that cannot be read as it is: it still has its variables.
    """
    found: Problems = list(_too_many_ports(root))
    if found:
        return found
    for node, path, transform in TABLE.select(root):
        if node.value is not None:
            transform(node, path, found)
    return [] if lenient else found


def _too_many_ports(root: Node) -> Iterator[errors.Problem]:
    """Counted before anything is expanded."""
    total = 0
    for item, path, _ in _PORTS.select(root):
        total += ports.count(scalar_text(item.value))
        if total > MOST_PORTS:
            yield problem(item, path, f"the stack publishes more than {MOST_PORTS} ports")
            return


_PORTS: Table[None] = Table([("services.*.ports.*", None)])


# ------------------------------------------------------------------ the functions


def _build(node: Node, _path: Path, _problems: Problems) -> None:
    merge.as_build(node)


def _depends_on(node: Node, _path: Path, _problems: Problems) -> None:
    merge.as_dependencies(node)
    for _, child in node.entries():
        if isinstance(child.value, dict) and "required" not in child.value:
            child.value["required"] = Node(True, child.place)


def _mapping(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, list):
        merge.as_mapping(node)


def _list(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, str):
        node.value = [Node(node.value, node.place, written=node.written)]


def _name_servers(node: Node, path: Path, problems: Problems) -> None:
    """An empty entry, such as a variable that is not set, counts as none."""
    _list(node, path, problems)
    if isinstance(node.value, list):
        node.value = [item for item in node.value if item.value != ""]


def _contexts(node: Node, path: Path, problems: Problems) -> None:
    for index, item in enumerate(node.items()):
        if "=" not in scalar_text(item.value):
            message = f"{scalar_text(item.value)!r} is no NAME=CONTEXT"
            problems.append(problem(item, (*path, index), message))


def _env_files(node: Node, path: Path, problems: Problems) -> None:
    _list(node, path, problems)
    for item in node.items():
        if isinstance(item.value, str):
            item.value = {"path": Node(item.value, item.place, written=item.written)}
        if isinstance(item.value, dict):
            item.value.setdefault("required", Node(True, item.place))


def _extends(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, str):
        node.value = {"service": Node(node.value, node.place)}


def _gpus(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, str):
        node.value = [Node({"count": Node(node.value, node.place)}, node.place)]


def _grant(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, str):
        node.value = {"source": Node(node.value, node.place, written=node.written)}


def _ssh(node: Node, _path: Path, _problems: Problems) -> None:
    """``default``, ``ID=PATH``: a mapping of ids to paths or null."""
    if isinstance(node.value, list):
        found = {}
        for item in node.value:
            key, equals, path = scalar_text(item.value).partition("=")
            found[key] = Node(path if equals else None, item.place)
        node.value = found


def _text(node: Node, _path: Path, _problems: Problems) -> None:
    if isinstance(node.value, bool):
        node.value = scalar_text(node.value)


def _device(node: Node, path: Path, problems: Problems) -> None:
    if not isinstance(node.value, str):
        return
    parts = node.value.split(":")
    if len(parts) > 3:
        problems.append(
            problem(
                node,
                path,
                f"device {node.value!r} has more than two colons",
                hint="Write it as {source: ..., target: ..., permissions: ...}.",
            )
        )
        return
    source, target, permissions = parts[0], parts[min(1, len(parts) - 1)], "rwm"
    if len(parts) == 3:
        permissions = parts[2]
    node.value = _texts(node, source=source, target=target, permissions=permissions)


def _texts(node: Node, **values: Scalar) -> dict[str, Node]:
    return {key: Node(value, node.place, written=node.written) for key, value in values.items()}


def _port_list(node: Node, path: Path, problems: Problems) -> None:
    if not isinstance(node.value, list):
        return
    expanded: list[Node] = []
    for index, item in enumerate(node.value):
        if isinstance(item.value, dict):
            expanded.append(item)
            continue
        try:
            expanded += _port_nodes(item)
        except ValueError as error:
            problems.append(problem(item, (*path, index), str(error), hint=_PORT_HINT))
            expanded.append(item)
    node.value = expanded


_PORT_HINT = 'Write it as "[HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]", in quotes.'


def _port_nodes(item: Node) -> Iterator[Node]:
    if isinstance(item.value, bool) or not isinstance(item.value, str | int):
        message = f"invalid port {scalar_text(item.value)!r}: ports are whole numbers"
        raise ValueError(message)  # noqa: TRY004 -- the value is a user's, not a caller's
    for port in ports.parse(scalar_text(item.value)):
        value = _texts(item, mode="ingress", target=port.target, protocol=port.protocol)
        if port.published:
            value.update(_texts(item, published=port.published))
        if port.host_ip:
            value.update(_texts(item, host_ip=port.host_ip))
        yield Node(value, item.place, former=item.former)


def _mount(node: Node, path: Path, problems: Problems) -> None:
    if not isinstance(node.value, str):
        return
    try:
        short = mounts.parse(node.value)
    except ValueError as error:
        problems.append(problem(node, path, str(error)))
        return
    value = _texts(node, type="bind" if short.is_bind else "volume", target=short.target)
    if short.source:
        value.update(_texts(node, source=short.source))
    if short.read_only:
        value.update(_texts(node, read_only=True))
    options: dict[str, Scalar] = {
        "selinux": short.selinux,
        "propagation": short.propagation,
        "create_host_path": short.is_bind,
    }
    bind = _texts(node, **{key: option for key, option in options.items() if option})
    if bind:
        value["bind"] = Node(bind, node.place)
    if short.nocopy or (not short.is_bind and len(node.value) > 2):
        value["volume"] = Node(_texts(node, nocopy=True) if short.nocopy else {}, node.place)
    node.value = value


def _external(node: Node, path: Path, problems: Problems) -> None:
    """``external: {name: x}``, the form of old files, is ``external: true`` and ``name: x``."""
    external = node.child("external")
    if isinstance(node.value, dict) and external is not None and isinstance(external.value, dict):
        name = external.value.get("name")
        if name is not None:
            own = node.value.setdefault("name", name)
            if own.value != name.value:
                hint = "Write external: true and the one name."
                problems.append(problem(own, (*path, "name"), "name and external.name conflict", hint=hint))
        node.value["external"] = Node(True, external.place)


TABLE: Table[Transform] = Table(
    [
        ("services.*.build", _build),
        ("services.*.build.provenance", _text),
        ("services.*.build.sbom", _text),
        ("services.*.build.ssh", _ssh),
        ("services.*.build.additional_contexts", _contexts),
        ("services.*.build.secrets.*", _grant),
        ("services.*.depends_on", _depends_on),
        ("services.*.env_file", _env_files),
        ("services.*.label_file", _list),
        ("services.*.extends", _extends),
        ("services.*.gpus", _gpus),
        ("services.*.networks", _mapping),
        ("services.*.models", _mapping),
        ("services.*.dns", _name_servers),
        ("services.*.dns_search", _list),
        ("services.*.tmpfs", _list),
        ("services.*.devices.*", _device),
        ("services.*.secrets.*", _grant),
        ("services.*.configs.*", _grant),
        ("services.*.ports", _port_list),
        ("services.*.volumes.*", _mount),
        ("networks.*", _external),
        ("volumes.*", _external),
        ("secrets.*", _external),
        ("configs.*", _external),
    ]
)
