"""What the author left unsaid: default contexts, modes and targets, names, implicit dependencies.

Two lists of passes.  ``fill_in`` runs before paths are resolved, for every included stack by itself;
``normalise`` once, on the whole, when ``config`` is not told to leave it.
Source: Compose Specification; values as in Docker Compose v2.40.3.
"""

from __future__ import annotations

from collections.abc import Callable

from composer.stackfile import mounts
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, Table, section

Lookup = Callable[[str], "str | None"]

SERVICE_REFERENCES = ("network_mode", "ipc", "pid", "uts", "cgroup")
"""Attributes that may say ``service:NAME``."""


def fill_in(root: Node) -> None:
    """Defaults inside of structures that the author wrote, in place."""
    for node, path, fill in _DEFAULTS.select(root):
        if isinstance(node.value, dict):
            fill(node, path)


def _default(node: Node, key: str, value: str) -> None:
    assert isinstance(node.value, dict)
    there = node.value.get(key)
    if there is None or there.value is None:
        node.value[key] = Node(value, node.place, implied="the default")


def _build(node: Node, _path: Path) -> None:
    _default(node, "context", ".")


def _port(node: Node, _path: Path) -> None:
    _default(node, "mode", "ingress")
    _default(node, "protocol", "tcp")


def _secret(node: Node, _path: Path) -> None:
    source = node.child("source")
    if source is not None:
        _default(node, "target", f"/run/secrets/{scalar_text(source.value)}")


def _device_request(node: Node, _path: Path) -> None:
    assert isinstance(node.value, dict)
    count = node.value.get("count")
    if count is not None and count.value == "all":
        count.value = -1
    elif count is None and "device_ids" not in node.value:
        node.value["count"] = Node(-1, node.place, implied="the default: all")


_DEFAULTS: Table[Callable[[Node, Path], None]] = Table(
    [
        ("services.*.build", _build),
        ("services.*.ports.*", _port),
        ("services.*.secrets.*", _secret),
        ("services.*.gpus.*", _device_request),
        ("services.*.deploy.resources.reservations.devices.*", _device_request),
        ("services.*.deploy.resources.limits.devices.*", _device_request),
    ]
)


# ------------------------------------------------------------------ the whole


def normalise(root: Node, name: str, lookup: Lookup) -> None:
    """Everything that follows from what is written, in place.  The tree is settled already."""
    _default_network(root)
    for service in section(root, "services").values():
        if isinstance(service.value, dict):
            _service(service.value, service, lookup)
    _names(root, name)


_NO_NETWORK = "a service that names no network is on default"


def _default_network(root: Node) -> None:
    """The network ``default`` is there when a service is on it, by name or by saying nothing."""
    is_used = False
    for service in section(root, "services").values():
        if not isinstance(service.value, dict) or {"provider", "network_mode"} & service.value.keys():
            continue
        networks = service.value.get("networks")
        if networks is None or not networks.value:
            attached = {"default": Node(None, service.place, implied=_NO_NETWORK)}
            service.value["networks"] = Node(attached, service.place, implied=_NO_NETWORK)
            is_used = True
        else:
            is_used = is_used or networks.child("default") is not None
    if is_used and isinstance(root.value, dict):
        networks = root.value.setdefault("networks", Node({}, root.place))
        if isinstance(networks.value, dict):
            networks.value.setdefault("default", Node({}, root.place, implied="a service is on it"))


def _service(service: dict[str, Node], node: Node, lookup: Lookup) -> None:
    policy = service.get("pull_policy")
    if policy is not None and policy.value == "if_not_present":
        policy.value = "missing"
    build = service.get("build")
    if build is not None and isinstance(build.value, dict):
        _build_of(build, build.value, lookup)
    environment = service.get("environment")
    for key, child in environment.entries() if environment is not None else ():
        take_from_variable(child, key, lookup)
    volumes = service.get("volumes")
    for item in volumes.items() if volumes is not None else ():
        target = item.child("target")
        if target is not None and isinstance(target.value, str):
            target.value = mounts.cleaned(target.value)
    _dependencies(service, node)
    scale, deploy = service.get("scale"), service.get("deploy")
    if scale is not None and deploy is not None and isinstance(deploy.value, dict):
        deploy.value.setdefault("replicas", scale)


def take_from_variable(node: Node, name: str, lookup: Lookup) -> None:
    """A key without a value takes that of the variable of its name, if there is one."""
    if node.value is None and (value := lookup(name)) is not None:
        node.value, node.written = value, f"${{{name}}}"


def _build_of(node: Node, build: dict[str, Node], lookup: Lookup) -> None:
    if "dockerfile" not in build and "dockerfile_inline" not in build:
        build["dockerfile"] = Node("Dockerfile", node.place, implied="the default")
    arguments = build.get("args")
    if arguments is not None and isinstance(arguments.value, dict):
        for key, child in list(arguments.value.items()):
            take_from_variable(child, key, lookup)
            if child.value is None:
                del arguments.value[key]


def _dependencies(service: dict[str, Node], node: Node) -> None:
    """Links, shared namespaces and ``volumes_from`` are dependencies as well."""
    implicit: dict[str, tuple[Node, bool]] = {}
    links = service.get("links")
    for item in links.items() if links is not None else ():
        parts = scalar_text(item.value).split(":")
        implicit.setdefault(parts[0] if len(parts) == 2 else scalar_text(item.value), (item, True))
    for key in SERVICE_REFERENCES:
        reference = service.get(key)
        text = scalar_text(reference.value) if reference is not None else ""
        if reference is not None and text.startswith("service:"):
            implicit.setdefault(text.removeprefix("service:"), (reference, True))
    sources = service.get("volumes_from")
    for item in sources.items() if sources is not None else ():
        text = scalar_text(item.value)
        if not text.startswith("container:"):
            implicit.setdefault(text.split(":")[0], (item, False))
    if not implicit:
        return
    needed = service.setdefault("depends_on", Node({}, node.place))
    if isinstance(needed.value, dict):
        for name, (where, restart) in implicit.items():
            needed.value.setdefault(name, _dependency(where, restart=restart))


def _dependency(where: Node, *, restart: bool) -> Node:
    value = {
        "condition": Node("service_started", where.place),
        "restart": Node(restart, where.place),
        "required": Node(True, where.place),
    }
    return Node(value, where.place, implied="what it refers to must be there first")


def _names(root: Node, name: str) -> None:
    """What has no name of its own is called ``STACK_KEY``; what exists already is called by its key."""
    for kind in ("networks", "volumes", "configs", "secrets"):
        for key, node in section(root, kind).items():
            if node.value is None:
                node.value = {}
            if isinstance(node.value, dict) and "name" not in node.value:
                external = node.value.get("external")
                is_external = external is not None and external.value is True
                why = "external: its key" if is_external else "STACK_KEY"
                text = key if is_external else f"{name}_{key}"
                node.value["name"] = Node(text, node.place, implied=why)
