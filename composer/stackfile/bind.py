"""The canonical tree becomes a ``Stack``: here untyped data ends.

Paths become absolute, environments are resolved, contents of configs and secrets are read, and
what no active service uses is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import attrs

from composer import errors
from composer.model import names
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
from composer.stackfile import dotenv, tmpfs
from composer.stackfile.canonical import scalar_text
from composer.stackfile.locate import Variables
from composer.stackfile.reader import LARGEST_ENV_FILE, LARGEST_MATERIAL, Reader
from composer.stackfile.tree import Node, Path, problem


@attrs.frozen(kw_only=True)
class Surroundings:
    """What binding needs besides the tree."""

    name: str
    directory: str
    files: tuple[str, ...]
    variables: Variables
    reader: Reader


def bound(root: Node, active: frozenset[str], around: Surroundings, warnings: tuple[str, ...]) -> Stack:
    """The typed stack; raises ``StackFileError`` for files that are missing."""
    binder = _Binder(root, around)
    services = {name: binder.service(name, node) for name, node in sorted(_section(root, "services"))}
    if binder.problems:
        raise errors.StackFileError(sorted(binder.problems))
    chosen = {name: service for name, service in services.items() if name in active}
    stack = Stack(
        name=around.name,
        directory=around.directory,
        files=around.files,
        services=chosen,
        inactive={name: service for name, service in services.items() if name not in active},
        networks=binder.networks(_used(chosen, lambda s: s.networks)),
        volumes=binder.volumes(
            _used(chosen, lambda s: [m.source for m in s.mounts if m.kind is MountKind.VOLUME and m.source])
        ),
        configs=binder.material("configs", _used(chosen, lambda s: [g.source for g in s.configs])),
        secrets=binder.material("secrets", _used(chosen, lambda s: [g.source for g in s.secrets])),
        warnings=warnings,
    )
    if binder.problems:
        raise errors.StackFileError(sorted(binder.problems))
    return stack


def _section(root: Node, name: str) -> list[tuple[str, Node]]:
    node = root.child(name)
    return [(key, child) for key, child in node.entries() if not key.startswith("x-")] if node else []


def _used(services: Mapping[str, Service], keys: Callable[[Service], object]) -> frozenset[str]:
    found: set[str] = set()
    for service in services.values():
        found.update(keys(service))  # type: ignore[arg-type]
    return frozenset(found)


class _Binder:
    def __init__(self, root: Node, around: Surroundings) -> None:
        self._root = root
        self._around = around
        self.problems: list[errors.Problem] = []

    # ------------------------------------------------------------------ services

    def service(self, name: str, node: Node) -> Service:
        path: Path = ("services", name)
        return Service(
            name=name,
            image=_text(node, "image"),
            build=self._build(node.child("build")),
            command=_strings(node.child("command")),
            entrypoint=_strings(node.child("entrypoint")),
            environment=self._environment(node, path),
            working_dir=_text(node, "working_dir"),
            user=_text(node, "user"),
            hostname=_text(node, "hostname"),
            ports=tuple(dict.fromkeys(_port(item) for item in _items(node, "ports"))),
            mounts=self._mounts(node),
            networks=_attachments(node.child("networks")),
            depends_on=_dependencies(node.child("depends_on")),
            healthcheck=_healthcheck(node.child("healthcheck")),
            restart=_restart(_text(node, "restart")),
            stop_signal=_text(node, "stop_signal"),
            stop_grace_period=_duration(node, "stop_grace_period"),
            init=_boolean(node, "init"),
            labels=_texts(node.child("labels")),
            profiles=_strings(node.child("profiles")) or (),
            replicas=_integer(node, "scale", 1),
            secrets=tuple(_grant(item, "/run/secrets/") for item in _items(node, "secrets")),
            configs=tuple(_grant(item, "/") for item in _items(node, "configs")),
            limits=Limits(
                memory=_size(node, "mem_limit"),
                cpus=_number(node, "cpus") or None,
                pids=_integer(node, "pids_limit", 0) or None,
            ),
            cap_add=_strings(node.child("cap_add")) or (),
            cap_drop=_strings(node.child("cap_drop")) or (),
            read_only=_boolean(node, "read_only"),
        )

    def _build(self, node: Node | None) -> Build | None:
        if node is None or node.value is None:
            return None
        arguments = {}
        args = node.child("args")
        for key, child in args.entries() if args else ():
            value = self._around.variables.get(key) if child.value is None else scalar_text(child.value)
            if value is not None:
                arguments[key] = value
        return Build(
            context=self._path(_text(node, "context") or "."),
            dockerfile=_text(node, "dockerfile") or "Dockerfile",
            dockerfile_inline=_text(node, "dockerfile_inline"),
            args=dict(sorted(arguments.items())),
            target=_text(node, "target"),
        )

    def _environment(self, node: Node, path: Path) -> dict[str, str]:
        found: dict[str, str] = {}
        for index, item in enumerate(_items(node, "env_file")):
            found.update(self._env_file(item, (*path, "env_file", index)))
        environment = node.child("environment")
        for key, child in environment.entries() if environment else ():
            value = self._around.variables.get(key) if child.value is None else scalar_text(child.value)
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
        return dict(sorted(found.items()))

    def _env_file(self, item: Node, path: Path) -> dict[str, str]:
        full = self._path(_text(item, "path") or "")
        content = self._around.reader.read(full, limit=LARGEST_ENV_FILE)
        if content is None:
            required = item.child("required")
            if required is None or required.value is not False:
                self.problems.append(problem(item, path, f"env file {full} not found"))
            return {}
        parse = dotenv.parse_raw if _text(item, "format") == "raw" else dotenv.parse
        values = parse(content.decode("utf-8", errors="replace"), full, self._around.variables.get)
        return {key: value for key, value in values.items() if value is not None}

    def _mounts(self, node: Node) -> tuple[Mount, ...]:
        found: dict[str, Mount] = {}
        for item in _items(node, "volumes"):
            mount = self._mount(item)
            found[mount.target] = mount
        for text in _strings(node.child("tmpfs")) or ():
            mount = tmpfs.mount_of(text)
            found[mount.target] = mount
        return tuple(found.values())

    def _mount(self, item: Node) -> Mount:
        kind = MountKind(_text(item, "type") or "volume")
        source = _text(item, "source") or ""
        bind, volume, memory = (item.child(key) for key in ("bind", "volume", "tmpfs"))
        create = bind.child("create_host_path") if bind else None
        return Mount(
            kind=kind,
            target=os.path.normpath(_text(item, "target") or "/"),
            source=self._path(source) if kind is MountKind.BIND else source,
            read_only=_boolean(item, "read_only"),
            create_host_path=create is None or create.value is not False,
            nocopy=_boolean(volume, "nocopy"),
            tmpfs_size=_size(memory, "size"),
            tmpfs_mode=_whole(memory, "mode"),
        )

    def _path(self, text: str) -> str:
        home = self._around.variables.of_caller("HOME") if text.startswith("~") else None
        if home and (text == "~" or text.startswith("~/")):
            text = home + text[1:]
        return os.path.normpath(os.path.join(self._around.directory, text))

    # ------------------------------------------------------------------ resources

    def networks(self, used: frozenset[str]) -> dict[str, NetworkDefinition]:
        written = dict(_section(self._root, "networks"))
        found = {}
        for key in sorted(used):
            node = written.get(key, Node(None, self._root.place))
            ipam = node.child("ipam")
            config = next(iter(_items(ipam, "config")), None) if ipam else None
            found[key] = NetworkDefinition(
                key=key,
                name=_text(node, "name") or names.resource_name(self._around.name, key),
                internal=_boolean(node, "internal"),
                subnet=_text(config, "subnet") if config else None,
                gateway=_text(config, "gateway") if config else None,
                labels=_texts(node.child("labels")),
            )
        return found

    def volumes(self, used: frozenset[str]) -> dict[str, VolumeDefinition]:
        written = dict(_section(self._root, "volumes"))
        return {
            key: VolumeDefinition(
                key=key,
                name=_text(written[key], "name") or names.resource_name(self._around.name, key),
                labels=_texts(written[key].child("labels")),
            )
            for key in sorted(used)
        }

    def material(self, section: str, used: frozenset[str]) -> dict[str, FileDefinition]:
        written = dict(_section(self._root, section))
        found = {}
        for key in sorted(used):
            node = written[key]
            content, origin = self._content(section, key, node)
            found[key] = FileDefinition(
                key=key,
                name=_text(node, "name") or names.resource_name(self._around.name, key),
                content=content,
                origin=origin,
            )
        return found

    def _content(self, section: str, key: str, node: Node) -> tuple[bytes, str]:
        path: Path = (section, key)
        text = _text(node, "content")
        if text is not None:
            return text.encode(), "content"
        variable = _text(node, "environment")
        if variable is not None:
            value = self._around.variables.get(variable)
            if value is None:
                self.problems.append(problem(node, path, f"environment variable {variable} is not set"))
            return (value or "").encode(), f"environment {variable}"
        full = self._path(_text(node, "file") or "")
        content = self._around.reader.read(full, limit=LARGEST_MATERIAL)
        if content is None:
            self.problems.append(problem(node, path, f"file {full} not found"))
        return content or b"", full


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


def _integer(node: Node, key: str, default: int) -> int:
    number = _whole(node, key)
    return default if number is None else number


def _number(node: Node, key: str) -> float | None:
    child = node.child(key)
    return child.value if child is not None and isinstance(child.value, float) else None


def _strings(node: Node | None) -> tuple[str, ...] | None:
    if node is None or node.value is None:
        return None
    return tuple(scalar_text(item.value) for item in node.items())


def _texts(node: Node | None) -> dict[str, str]:
    entries = node.entries() if node else ()
    return {key: scalar_text(child.value) for key, child in sorted(entries, key=lambda entry: entry[0])}


def _duration(node: Node | None, key: str) -> Duration | None:
    text = _text(node, key)
    return None if text is None else Duration.parse(text)


def _size(node: Node | None, key: str) -> ByteSize | None:
    text = _text(node, key)
    return None if text is None else ByteSize.parse(text)


def _port(item: Node) -> PublishedPort:
    return PublishedPort(
        target=_integer(item, "target", 0),
        published=int(_text(item, "published") or 0),
        host_ip=_text(item, "host_ip") or "",
        protocol=_text(item, "protocol") or "tcp",
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
        retries=_integer(node, "retries", 0) or None,
        start_period=_duration(node, "start_period"),
        start_interval=_duration(node, "start_interval"),
        disabled=_boolean(node, "disable") or test == ("NONE",),
    )


def _restart(text: str | None) -> RestartPolicy:
    word, _, count = (text or "no").partition(":")
    kind = RestartKind.NO if word in ("", "false") else RestartKind(word)
    return RestartPolicy(kind=kind, max_retries=int(count or 0))


def _grant(item: Node, directory: str) -> FileGrant:
    source = _text(item, "source") or ""
    target = _text(item, "target") or source
    return FileGrant(
        source=source,
        target=os.path.normpath(target if target.startswith("/") else f"{directory}{target}"),
        uid=_text(item, "uid"),
        gid=_text(item, "gid"),
        mode=_integer(item, "mode", 0o444) & 0o555,
    )
