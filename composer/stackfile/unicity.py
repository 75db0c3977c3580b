"""What a list holds twice it holds once: the last one wins, at the place of the first.

A table says for each list what makes two entries the same: a key, a mount's target, a port's whole
address.  Source: Compose Specification, "Unique resources"; behaviour of Docker Compose v2.40.3.
"""

from __future__ import annotations

from collections.abc import Callable

from composer import errors
from composer.stackfile import mounts
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, Table, problem

Identity = Callable[[Node], str | None]
"""What an entry is known by; ``None`` when it cannot be told.  Raises ``ValueError`` for nonsense."""


def enforce(root: Node) -> list[errors.Problem]:
    """Remove doubles everywhere, in place; returns entries that are of no usable form."""
    found: list[errors.Problem] = []
    for node, path, identity in TABLE.select(root):
        if isinstance(node.value, list) and node.value:
            _enforce(node, path, identity, found)
    return found


def _enforce(node: Node, path: Path, identity: Identity, found: list[errors.Problem]) -> None:
    unique: dict[object, Node] = {}
    for index, item in enumerate(node.items()):
        try:
            key: object = identity(item)
        except ValueError as error:
            found.append(problem(item, (*path, index), str(error)))
            continue
        if key is None:
            key = index
        former = unique.get(key)
        if former is not None and item.former is None:
            item.former = former
        unique[key] = item
    node.value = list(unique.values())


def _key(item: Node) -> str | None:
    if not isinstance(item.value, str):
        message = f"expected text, found {_kind(item)}"
        raise ValueError(message)  # noqa: TRY004 -- the value is a user's, not a caller's
    return item.value.partition("=")[0]


def _kind(item: Node) -> str:
    if isinstance(item.value, dict | list):
        return "a mapping" if isinstance(item.value, dict) else "a list"
    return "nothing" if item.value is None else f"{scalar_text(item.value)} (put it in quotes)"


def _whole(item: Node) -> str | None:
    return scalar_text(item.value)


def _port(item: Node) -> str | None:
    if not isinstance(item.value, dict):
        return scalar_text(item.value)
    parts = {key: scalar_text(child.value) for key, child in item.value.items()}
    if "target" not in parts:
        message = "the port has no target"
        raise ValueError(message)
    host, protocol = parts.get("host_ip", "0.0.0.0"), parts.get("protocol", "tcp")  # noqa: S104 -- a default
    return f"{host}:{parts.get('published')}:{parts['target']}/{protocol}"


def _mount(item: Node) -> str | None:
    if isinstance(item.value, dict):
        target = item.value.get("target")
        if target is None:
            message = "the mount has no target"
            raise ValueError(message)
        return scalar_text(target.value)
    if not isinstance(item.value, str):
        return None
    return mounts.parse(item.value).target


def _device(item: Node) -> str | None:
    if isinstance(item.value, dict):
        target = item.value.get("target")
        return scalar_text(target.value) if target is not None else None
    if not isinstance(item.value, str):
        return None
    parts = item.value.split(":")
    return parts[0] if len(parts) == 1 else parts[1]


def _grant(directory: str) -> Identity:
    def identity(item: Node) -> str | None:
        if isinstance(item.value, dict):
            target, source = item.value.get("target"), item.value.get("source")
            if target is not None:
                return scalar_text(target.value)
            return f"{directory}/{scalar_text(source.value)}" if source is not None else None
        return f"{directory}/{item.value}" if isinstance(item.value, str) else None

    return identity


def _env_file(item: Node) -> str | None:
    path = item.child("path")
    return (
        scalar_text(path.value) if path is not None else (item.value if isinstance(item.value, str) else None)
    )


_KEYS = """networks.*.labels services.*.annotations services.*.build.args
    services.*.build.additional_contexts services.*.build.tags
    services.*.build.labels services.*.cap_add services.*.cap_drop services.*.deploy.labels
    services.*.dns services.*.dns_opt services.*.dns_search services.*.environment services.*.labels
    services.*.links services.*.networks.*.aliases services.*.networks.*.link_local_ips
    services.*.profiles services.*.sysctls services.*.tmpfs volumes.*.labels"""

TABLE: Table[Identity] = Table(
    [
        *((pattern, _key) for pattern in _KEYS.split()),
        ("services.*.expose", _whole),
        ("services.*.ports", _port),
        ("services.*.volumes", _mount),
        ("services.*.devices", _device),
        ("services.*.configs", _grant("")),
        ("services.*.secrets", _grant("/run/secrets")),
        ("services.*.env_file", _env_file),
    ]
)
