"""Container Device Interface: devices by vendor, class and name (CDI specification 0.8).

A specification file of the host says what a container that asks for ``vendor.com/class=name`` gets: device
nodes, mounts, variables, groups, hooks.  Here are names, requests (``gpus``, reserved devices) and the
meaning of files; reading them is ``runtime.cdi``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from composer.model.deploy import DeviceRequest

_NAME = re.compile(
    r"(?P<kind>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?/[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)"
    r"=(?P<device>[a-z0-9](?:[a-z0-9._:-]*[a-z0-9])?)",
    re.ASCII | re.IGNORECASE,
)
_DEFAULT_GPU = "nvidia.com/gpu"
_EVERY = "all"
_BIND_WORDS = frozenset({"bind", "rbind", "ro", "rw"})
_PROPAGATIONS = frozenset({"private", "rprivate", "slave", "rslave", "shared", "rshared"})
HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


@attrs.frozen(kw_only=True)
class NodeEdit:
    """A device node: ``source`` on the host says what it is."""

    path: str
    source: str
    permissions: str = "rwm"
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@attrs.frozen(kw_only=True)
class MountEdit:
    """A bind mount; ``flags`` are words of mount(8)."""

    source: str
    target: str
    read_only: bool = False
    propagation: str = ""
    flags: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Edits:
    """What a container gets besides; ``hooks`` are OCI hooks by name."""

    environment: Mapping[str, str] = attrs.field(factory=dict)
    nodes: tuple[NodeEdit, ...] = ()
    mounts: tuple[MountEdit, ...] = ()
    groups: tuple[int, ...] = ()
    hooks: Mapping[str, tuple[dict[str, Any], ...]] = attrs.field(factory=dict)

    def with_those(self, other: Edits) -> Edits:
        """Both; the other's variables win."""
        return Edits(
            environment={**self.environment, **other.environment},
            nodes=tuple(dict.fromkeys((*self.nodes, *other.nodes))),
            mounts=tuple(dict.fromkeys((*self.mounts, *other.mounts))),
            groups=tuple(dict.fromkeys((*self.groups, *other.groups))),
            hooks={
                name: (*self.hooks.get(name, ()), *other.hooks.get(name, ()))
                for name in (*self.hooks, *(name for name in other.hooks if name not in self.hooks))
            },
        )


@attrs.frozen(kw_only=True)
class Specification:
    """One file: a kind, what every container with one of its devices gets, and its devices by name."""

    kind: str
    common: Edits
    devices: Mapping[str, Edits]


def is_name(text: str) -> bool:
    """Whether it names a device as CDI does: ``vendor.com/class=name``."""
    return _NAME.fullmatch(text) is not None


def specification_of(tree: object) -> Specification:
    """A parsed file; raises ``ValueError`` with what is wrong about it."""
    top = _mapping(tree, "the file")
    kind = top.get("kind")
    if not isinstance(kind, str) or not is_name(f"{kind}=x"):
        message = f"kind {kind!r} is not vendor/class"
        raise ValueError(message)
    devices: dict[str, Edits] = {}
    for entry in _list(top.get("devices"), "devices"):
        device = _mapping(entry, "a device")
        name = str(device.get("name", ""))
        if not is_name(f"{kind}={name}") or name in devices:
            message = f"device name {name!r} is not usable or given twice"
            raise ValueError(message)
        devices[name] = _edits(device.get("containerEdits"))
    return Specification(kind=kind, common=_edits(top.get("containerEdits")), devices=devices)


def names_of(requests: Iterable[DeviceRequest], kinds: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The CDI names that requests come to, ``kinds`` being what this host has, by kind.

    ``driver: cdi`` asks by whole names; else the class ``gpu`` of the driver's vendor (``nvidia`` where
    none is named and there is one) is asked for by id, or by count in the order of names.  Raises
    ``ValueError``.
    """
    found: list[str] = []
    for request in requests:
        if request.driver == "cdi":
            found += request.device_ids
            continue
        kind = _kind_for(request, kinds)
        if request.device_ids:
            found += [f"{kind}={device}" for device in request.device_ids]
        elif request.count in (None, -1):
            found += _every(kind, kinds)
        else:
            found += _so_many(kind, kinds, request.count or 0)
    return tuple(dict.fromkeys(found))


def _kind_for(request: DeviceRequest, kinds: Mapping[str, Iterable[str]]) -> str:
    if request.driver:
        return request.driver if "/" in request.driver else f"{request.driver}.com/gpu"
    gpus = sorted(kind for kind in kinds if kind.endswith("/gpu"))
    if _DEFAULT_GPU in gpus or not gpus:
        return _DEFAULT_GPU
    if len(gpus) > 1:
        message = f"there are {', '.join(gpus)}: say which by driver"
        raise ValueError(message)
    return gpus[0]


def _every(kind: str, kinds: Mapping[str, Iterable[str]]) -> list[str]:
    names = list(kinds.get(kind, ()))
    return [f"{kind}={_EVERY}"] if _EVERY in names or not names else [f"{kind}={name}" for name in names]


def _so_many(kind: str, kinds: Mapping[str, Iterable[str]], count: int) -> list[str]:
    names = [name for name in kinds.get(kind, ()) if name != _EVERY]
    # Vendors list a device by index and by UUID: the indices count.
    by_index = [name for name in names if name.isdecimal()] or names
    if len(by_index) < count:
        message = f"{count} of {kind} are asked for, this host's CDI files name {len(by_index)}"
        raise ValueError(message)
    return [f"{kind}={name}" for name in by_index[:count]]


def _edits(tree: object) -> Edits:
    top = _mapping(tree or {}, "containerEdits")
    return Edits(
        environment=dict(str(entry).partition("=")[::2] for entry in _list(top.get("env"), "env")),
        nodes=tuple(
            _node(_mapping(entry, "a device node")) for entry in _list(top.get("deviceNodes"), "nodes")
        ),
        mounts=tuple(_mount(_mapping(entry, "a mount")) for entry in _list(top.get("mounts"), "mounts")),
        groups=tuple(
            int(str(entry)) for entry in _list(top.get("additionalGids"), "additionalGids") if entry
        ),
        hooks=_hooks(_list(top.get("hooks"), "hooks")),
    )


def _node(entry: Mapping[str, Any]) -> NodeEdit:
    path = _absolute(entry.get("path"), "the path of a device node")
    return NodeEdit(
        path=path,
        source=_absolute(entry.get("hostPath") or path, "the hostPath of a device node"),
        permissions=str(entry.get("permissions") or "rwm"),
        mode=entry.get("fileMode"),
        uid=entry.get("uid"),
        gid=entry.get("gid"),
    )


def _mount(entry: Mapping[str, Any]) -> MountEdit:
    words = [str(word) for word in _list(entry.get("options"), "options")]
    if entry.get("type") not in (None, "", "bind"):
        message = f"mounts of type {entry.get('type')!r} are not known"
        raise ValueError(message)
    return MountEdit(
        source=_absolute(entry.get("hostPath"), "the hostPath of a mount"),
        target=_absolute(entry.get("containerPath"), "the containerPath of a mount"),
        read_only="ro" in words,
        propagation=next((word for word in words if word in _PROPAGATIONS), ""),
        flags=tuple(word for word in words if word not in _BIND_WORDS | _PROPAGATIONS),
    )


def _hooks(entries: list[object]) -> dict[str, tuple[dict[str, Any], ...]]:
    found: dict[str, tuple[dict[str, Any], ...]] = {}
    for each in entries:
        entry = _mapping(each, "a hook")
        name = str(entry.get("hookName"))
        if name not in HOOKS:
            message = f"there is no hook {name!r}"
            raise ValueError(message)
        hook = {"path": _absolute(entry.get("path"), "the path of a hook")}
        hook |= {key: entry[key] for key in ("args", "env", "timeout") if entry.get(key)}
        found[name] = (*found.get(name, ()), hook)
    return found


def _absolute(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        message = f"{what} is not absolute: {value!r}"
        raise ValueError(message)
    return value


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        message = f"{what} is no mapping"
        raise ValueError(message)  # noqa: TRY004 -- all that is wrong about a file is one kind of error
    return value


def _list(value: object, what: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        message = f"{what} is no list"
        raise ValueError(message)  # noqa: TRY004 -- as above
    return value
