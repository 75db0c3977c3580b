"""The settled tree becomes a ``Stack``: here untyped data ends.

Contents of configs and secrets are read, two ways of saying one thing become one (``mem_limit`` and
``deploy.resources.limits.memory``), and what no active service uses is left out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from composer import errors
from composer.model.quantity import ByteSize, Duration
from composer.model.stack import (
    Attachment,
    Build,
    Condition,
    Dependency,
    FileDefinition,
    FileGrant,
    Healthcheck,
    Limits,
    Mount,
    MountKind,
    NetworkDefinition,
    PublishedPort,
    RestartKind,
    RestartPolicy,
    Service,
    Stack,
    VolumeDefinition,
)
from composer.stackfile import tmpfs
from composer.stackfile.reader import LARGEST_MATERIAL
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, problem, section

if TYPE_CHECKING:
    from composer.stackfile.load import Document


def bound(document: Document, warnings: tuple[str, ...]) -> Stack:
    """The typed stack of a document without obstacles; raises ``StackFileError`` for missing files."""
    selected = document.selected
    binder = _Binder(document)
    active = section(selected, "services")
    services = {name: _service(name, node) for name, node in sorted(active.items())}
    inactive = {
        name: _inactive(name, node)
        for name, node in sorted(section(document.tree, "services").items())
        if name not in active
    }
    stack = Stack(
        name=document.name,
        directory=document.directory,
        files=document.files,
        services=services,
        inactive=inactive,
        networks={key: _network(key, node) for key, node in sorted(section(selected, "networks").items())},
        volumes={key: _volume(key, node) for key, node in sorted(section(selected, "volumes").items())},
        configs=binder.material("configs"),
        secrets=binder.material("secrets"),
        warnings=warnings,
    )
    if binder.problems:
        raise errors.StackFileError(sorted(binder.problems))
    return stack


class _Binder:
    """Reads what configs and secrets hold."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[errors.Problem] = []

    def material(self, kind: str) -> dict[str, FileDefinition]:
        found = {}
        for key, node in sorted(section(self._document.selected, kind).items()):
            content, origin = self._content(kind, key, node)
            found[key] = FileDefinition(
                key=key, name=_text(node, "name") or key, content=content, origin=origin
            )
        return found

    def _content(self, kind: str, key: str, node: Node) -> tuple[bytes, str]:
        path: Path = (kind, key)
        text = _text(node, "content")
        if text is not None:
            return text.encode(), "content"
        variable = _text(node, "environment")
        if variable is not None:
            value = self._document.variables.get(variable)
            if value is None:
                message = f"environment variable {variable} is not set"
                self.problems.append(problem(node, (*path, "environment"), message))
            return (value or "").encode(), f"environment {variable}"
        full = _text(node, "file") or ""
        content = self._document.reader.read(full, limit=LARGEST_MATERIAL)
        if content is None:
            self.problems.append(
                problem(node.child("file") or node, (*path, "file"), f"file {full} not found")
            )
        return content or b"", full


# ---------------------------------------------------------------------- services


def _service(name: str, node: Node) -> Service:
    resources = _child(node, "deploy", "resources", "limits")
    return Service(
        name=name,
        image=_text(node, "image"),
        build=_build(node.child("build")),
        command=_strings(node.child("command")),
        entrypoint=_strings(node.child("entrypoint")),
        environment=_texts(node.child("environment")),
        working_dir=_text(node, "working_dir"),
        user=_text(node, "user"),
        hostname=_text(node, "hostname"),
        ports=tuple(dict.fromkeys(_port(item) for item in _items(node, "ports"))),
        mounts=_mounts(node),
        networks=_attachments(node.child("networks")),
        depends_on=_dependencies(node.child("depends_on")),
        healthcheck=_healthcheck(node.child("healthcheck")),
        restart=_restart(node),
        stop_signal=_text(node, "stop_signal"),
        stop_grace_period=_duration(node, "stop_grace_period"),
        init=_boolean(node, "init"),
        labels=_texts(node.child("labels")),
        profiles=_strings(node.child("profiles")) or (),
        replicas=_replicas(node),
        secrets=tuple(_grant(item, "/run/secrets/") for item in _items(node, "secrets")),
        configs=tuple(_grant(item, "/") for item in _items(node, "configs")),
        limits=Limits(
            memory=_size(node, "mem_limit") or _size(resources, "memory"),
            cpus=_number(node, "cpus") or _number(resources, "cpus"),
            pids=_whole(node, "pids_limit") or _whole(resources, "pids") or None,
        ),
        cap_add=_strings(node.child("cap_add")) or (),
        cap_drop=_strings(node.child("cap_drop")) or (),
        read_only=_boolean(node, "read_only"),
    )


def _inactive(name: str, node: Node) -> Service:
    """A service that is not run: what was not checked may be nonsense, and then only its place counts."""
    try:
        return _service(name, node)
    except ValueError:
        return Service(name=name, depends_on=_dependencies(node.child("depends_on")))


def _child(node: Node | None, *keys: str) -> Node | None:
    for key in keys:
        node = node.child(key) if node is not None else None
    return node


def _build(node: Node | None) -> Build | None:
    if node is None or node.value is None:
        return None
    return Build(
        context=_text(node, "context") or ".",
        dockerfile=_text(node, "dockerfile") or "Dockerfile",
        dockerfile_inline=_text(node, "dockerfile_inline"),
        args=_texts(node.child("args")),
        target=_text(node, "target"),
    )


def _mounts(node: Node) -> tuple[Mount, ...]:
    found: dict[str, Mount] = {}
    for item in _items(node, "volumes"):
        mount = _mount(item)
        found[mount.target] = mount
    for text in _strings(node.child("tmpfs")) or ():
        memory = tmpfs.parse(text)
        found[memory.target] = Mount(
            kind=MountKind.TMPFS,
            target=memory.target,
            tmpfs_size=memory.size,
            tmpfs_mode=memory.mode,
            read_only=memory.read_only,
        )
    return tuple(found.values())


def _mount(item: Node) -> Mount:
    bind, volume, memory = (item.child(key) for key in ("bind", "volume", "tmpfs"))
    create = bind.child("create_host_path") if bind is not None else None
    return Mount(
        kind=MountKind(_text(item, "type") or "volume"),
        target=os.path.normpath(_text(item, "target") or "/"),
        source=_text(item, "source") or "",
        read_only=_boolean(item, "read_only"),
        create_host_path=create is None or create.value is not False,
        nocopy=_boolean(volume, "nocopy"),
        tmpfs_size=_size(memory, "size"),
        tmpfs_mode=_whole(memory, "mode"),
    )


def _replicas(node: Node) -> int:
    for count in (_whole(node, "scale"), _whole(node.child("deploy"), "replicas")):
        if count is not None:
            return count
    return 1


_CONDITIONS = {
    "none": RestartKind.NO,
    "on-failure": RestartKind.ON_FAILURE,
    "any": RestartKind.ALWAYS,
    "": RestartKind.ALWAYS,
}


def _restart(node: Node) -> RestartPolicy:
    """``restart``, else what ``deploy.restart_policy`` comes to."""
    text = _text(node, "restart")
    policy = _child(node, "deploy", "restart_policy")
    if text is None and policy is not None:
        kind = _CONDITIONS[_text(policy, "condition") or ""]
        attempts = _whole(policy, "max_attempts") or 0
        return RestartPolicy(kind=kind, max_retries=attempts if kind is RestartKind.ON_FAILURE else 0)
    word, _, count = (text or "no").partition(":")
    kind = RestartKind.NO if word in ("", "false") else RestartKind(word)
    return RestartPolicy(kind=kind, max_retries=int(count or 0))


# ---------------------------------------------------------------------- resources


def _network(key: str, node: Node) -> NetworkDefinition:
    config = next(iter(_items(node.child("ipam"), "config")), None)
    return NetworkDefinition(
        key=key,
        name=_text(node, "name") or key,
        internal=_boolean(node, "internal"),
        subnet=_text(config, "subnet"),
        gateway=_text(config, "gateway"),
        labels=_texts(node.child("labels")),
    )


def _volume(key: str, node: Node) -> VolumeDefinition:
    return VolumeDefinition(key=key, name=_text(node, "name") or key, labels=_texts(node.child("labels")))


# ---------------------------------------------------------------------- small parts


def _items(node: Node | None, key: str) -> list[Node]:
    child = node.child(key) if node else None
    return list(child.items()) if child else []


def _text(node: Node | None, key: str) -> str | None:
    child = node.child(key) if node else None
    return None if child is None or child.value is None else scalar_text(child.value)


def _boolean(node: Node | None, key: str) -> bool:
    child = node.child(key) if node else None
    return child is not None and child.value is True


def _whole(node: Node | None, key: str) -> int | None:
    child = node.child(key) if node else None
    return child.value if child is not None and isinstance(child.value, int) else None


def _number(node: Node | None, key: str) -> float | None:
    child = node.child(key) if node else None
    return (
        float(child.value)
        if child is not None and isinstance(child.value, int | float) and child.value
        else None
    )


def _strings(node: Node | None) -> tuple[str, ...] | None:
    if node is None or node.value is None:
        return None
    return tuple(scalar_text(item.value) for item in node.items())


def _texts(node: Node | None) -> dict[str, str]:
    """Text by key; a variable that nobody gave a value is not there."""
    entries = node.entries() if node else ()
    return {
        key: scalar_text(child.value)
        for key, child in sorted(entries, key=lambda entry: entry[0])
        if child.value is not None
    }


def _duration(node: Node | None, key: str) -> Duration | None:
    child = node.child(key) if node else None
    return child.value if child is not None and isinstance(child.value, Duration) else None


def _size(node: Node | None, key: str) -> ByteSize | None:
    child = node.child(key) if node else None
    return child.value if child is not None and isinstance(child.value, ByteSize) and child.value else None


def _port(item: Node) -> PublishedPort:
    return PublishedPort(
        target=_whole(item, "target") or 0,
        published=int(_text(item, "published") or 0),
        host_ip=_text(item, "host_ip") or "",
        protocol=(_text(item, "protocol") or "tcp").lower(),
    )


def _attachments(node: Node | None) -> dict[str, Attachment]:
    entries = dict(node.entries()) if node else {}
    if not entries:
        return {"default": Attachment()}
    return {
        key: Attachment(
            aliases=_strings(child.child("aliases")) or (), ipv4_address=_text(child, "ipv4_address")
        )
        for key, child in sorted(entries.items())
    }


def _dependencies(node: Node | None) -> dict[str, Dependency]:
    return {
        key: Dependency(
            condition=Condition(_text(child, "condition") or "service_started"),
            required=child.child("required") is None or _boolean(child, "required"),
            restart=_boolean(child, "restart"),
        )
        for key, child in sorted(node.entries() if node else (), key=lambda entry: entry[0])
    }


def _healthcheck(node: Node | None) -> Healthcheck | None:
    if node is None or node.value is None:
        return None
    test = _strings(node.child("test"))
    return Healthcheck(
        test=test,
        interval=_duration(node, "interval"),
        timeout=_duration(node, "timeout"),
        retries=_whole(node, "retries") or None,
        start_period=_duration(node, "start_period"),
        start_interval=_duration(node, "start_interval"),
        disabled=_boolean(node, "disable") or test == ("NONE",),
    )


def _grant(item: Node, directory: str) -> FileGrant:
    source = _text(item, "source") or ""
    target = _text(item, "target") or source
    return FileGrant(
        source=source,
        target=os.path.normpath(target if target.startswith("/") else f"{directory}{target}"),
        uid=_text(item, "uid"),
        gid=_text(item, "gid"),
        mode=(0o444 if _whole(item, "mode") is None else _whole(item, "mode") or 0) & 0o555,
    )
