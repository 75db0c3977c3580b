"""The settled tree becomes a ``Stack``: here untyped data ends.

Contents of configs and secrets are read, two ways of saying one thing become one (``mem_limit`` and
``deploy.resources.limits.memory``), and what no active service uses is left out.
"""

from __future__ import annotations

import ipaddress
import json
import os
from typing import TYPE_CHECKING, TypeVar

import attrs

from composer import errors
from composer.model import names, security
from composer.model.build import Build
from composer.model.deploy import Deploy, Develop, DeviceRequest, Hook
from composer.model.limits import BlockIo, Limits, Ulimit
from composer.model.quantity import ByteSize, Duration
from composer.model.stack import (
    Attachment,
    Condition,
    Dependency,
    Device,
    FileDefinition,
    FileGrant,
    Healthcheck,
    Logging,
    ModelDefinition,
    ModelUse,
    Mount,
    MountKind,
    Namespaces,
    NetworkDefinition,
    Pool,
    Provider,
    PublishedPort,
    Resolver,
    RestartKind,
    RestartPolicy,
    Service,
    Stack,
    VolumeDefinition,
)
from composer.stackfile import structure, tmpfs
from composer.stackfile.reader import LARGEST_MATERIAL
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, at, problem, section

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.stackfile.load import Document

_Part = TypeVar("_Part")


def bound(document: Document, warnings: tuple[str, ...]) -> Stack:
    """The typed stack of a document without obstacles; raises ``StackFileError`` for missing files."""
    selected = document.selected
    binder = _Binder(document)
    active = section(selected, "services")
    services = {
        name: binder.with_profiles(_service(name, node), node) for name, node in sorted(active.items())
    }
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
        networks=_networks(document.name, selected, services.values()),
        volumes={key: _volume(key, node) for key, node in sorted(section(selected, "volumes").items())},
        configs=binder.material("configs"),
        secrets=binder.material("secrets"),
        models={key: _model(key, node) for key, node in sorted(section(selected, "models").items())},
        warnings=warnings,
    )
    if binder.problems:
        raise errors.StackFileError(sorted(binder.problems))
    return stack


class _Binder:
    """Reads what configs, secrets and seccomp profiles hold."""

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

    def with_profiles(self, service: Service, node: Node) -> Service:
        """The service with the content of its seccomp profiles in place of their paths."""
        options = []
        for index, option in enumerate(service.security_opt):
            key, value = security.split(option)
            if key == "seccomp" and value not in ("unconfined", "builtin", ""):
                path: Path = ("services", service.name, "security_opt", index)
                content = self._profile(value, path, node)
                options.append(f"seccomp={content}")
            else:
                options.append(option)
        return attrs.evolve(service, security_opt=tuple(options)) if options else service

    def _profile(self, file: str, path: Path, node: Node) -> str:
        place = at(node, path[2:])
        full = os.path.join(self._document.directory, os.path.expanduser(file))
        content = self._document.reader.read(full, limit=LARGEST_MATERIAL)
        if content is None:
            self.problems.append(problem(place, path, f"seccomp profile {full} not found"))
            return "{}"
        try:
            return json.dumps(json.loads(content), separators=(",", ":"))
        except ValueError as error:
            self.problems.append(problem(place, path, f"seccomp profile {full} is not JSON: {error}"))
            return "{}"


# ---------------------------------------------------------------------- services


def _service(name: str, node: Node) -> Service:
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
        ports=()
        if _has_no_network_of_its_own(node)
        else tuple(dict.fromkeys(_port(item) for item in _items(node, "ports"))),
        mounts=_mounts(node),
        networks={} if _has_no_network_of_its_own(node) else _attachments(node.child("networks")),
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
        limits=_limits(node),
        cap_add=_strings(node.child("cap_add")) or (),
        cap_drop=_strings(node.child("cap_drop")) or (),
        read_only=_boolean(node, "read_only"),
        annotations=_texts(node.child("annotations")),
        attach=_unless_false(node, "attach"),
        cgroup_parent=_text(node, "cgroup_parent"),
        container_name=_text(node, "container_name"),
        deploy=_part(Deploy, node.child("deploy")),
        develop=_part(Develop, node.child("develop")),
        device_cgroup_rules=_strings(node.child("device_cgroup_rules")) or (),
        devices=structure.values_of(Device, node.child("devices")),
        device_requests=_device_requests(node),
        domainname=_text(node, "domainname"),
        expose=_strings(node.child("expose")) or (),
        external_links=_strings(node.child("external_links")) or (),
        group_add=_strings(node.child("group_add")) or (),
        links=_strings(node.child("links")) or (),
        logging=_part(Logging, node.child("logging")),
        mac_address=_text(node, "mac_address"),
        models=structure.mapping_of(ModelUse, node.child("models")),
        namespaces=Namespaces(
            network=_text(node, "network_mode") or "",
            pid=_text(node, "pid") or "",
            ipc=_text(node, "ipc") or "",
            uts=_text(node, "uts") or "",
            user=_text(node, "userns_mode") or "",
            cgroup=_text(node, "cgroup") or "",
        ),
        oom_score_adj=_whole(node, "oom_score_adj") or 0,
        platform=_text(node, "platform"),
        post_start=structure.values_of(Hook, node.child("post_start")),
        pre_stop=structure.values_of(Hook, node.child("pre_stop")),
        privileged=_boolean(node, "privileged"),
        provider=_part(Provider, node.child("provider")),
        pull_policy=_text(node, "pull_policy"),
        resolver=Resolver(
            servers=_strings(node.child("dns")) or (),
            options=_strings(node.child("dns_opt")) or (),
            search=_strings(node.child("dns_search")) or (),
            hosts={key: _strings(child) or () for key, child in _sorted(node.child("extra_hosts"))},
        ),
        runtime=_text(node, "runtime"),
        security_opt=_strings(node.child("security_opt")) or (),
        shm_size=_size(node, "shm_size"),
        stdin_open=_boolean(node, "stdin_open"),
        storage_opt=_texts(node.child("storage_opt")),
        sysctls=_texts(node.child("sysctls")),
        tty=_boolean(node, "tty"),
        ulimits=structure.mapping_of(Ulimit, node.child("ulimits")),
        use_api_socket=_boolean(node, "use_api_socket"),
        volumes_from=_strings(node.child("volumes_from")) or (),
    )


def _has_no_network_of_its_own(node: Node) -> bool:
    return _text(node, "network_mode") not in (None, "", "bridge", "default")


def _device_requests(node: Node) -> tuple[DeviceRequest, ...]:
    """Reserved devices, and ``gpus``, where ``gpu`` is asked for without being written."""
    gpus = structure.values_of(DeviceRequest, node.child("gpus"))
    return structure.values_of(
        DeviceRequest, _child(node, "deploy", "resources", "reservations", "devices")
    ) + tuple(
        attrs.evolve(request, capabilities=tuple(dict.fromkeys((*request.capabilities, "gpu"))))
        for request in gpus
    )


def _limits(node: Node) -> Limits:
    """Limits of the service itself; what ``deploy.resources.limits`` says counts where it is silent."""
    resources = _child(node, "deploy", "resources", "limits")
    reserved = _child(node, "deploy", "resources", "reservations")
    return Limits(
        memory=_size(node, "mem_limit") or _size(resources, "memory"),
        memory_reservation=_size(node, "mem_reservation") or _size(reserved, "memory"),
        memory_swap=_size(node, "memswap_limit"),
        memory_swappiness=_whole(node, "mem_swappiness"),
        cpus=_number(node, "cpus") or _number(resources, "cpus"),
        cpu_shares=_whole(node, "cpu_shares") or None,
        cpu_period=_whole(node, "cpu_period") or None,
        cpu_quota=_whole(node, "cpu_quota") or None,
        cpu_realtime_period=_whole(node, "cpu_rt_period") or None,
        cpu_realtime_runtime=_whole(node, "cpu_rt_runtime") or None,
        cpuset=_text(node, "cpuset") or None,
        pids=_whole(node, "pids_limit") or _whole(resources, "pids") or None,
        block_io=_part(BlockIo, node.child("blkio_config")),
        oom_kill_disable=_boolean(node, "oom_kill_disable"),
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


def _part(kind: type[_Part], node: Node | None) -> _Part | None:
    return None if node is None or node.value is None else structure.value_of(kind, node)


def _build(node: Node | None) -> Build | None:
    if node is None or node.value is None:
        return None
    build = structure.value_of(Build, node)
    # A key without a path is the caller's agent.
    ssh = {key: str(child.value or "") for key, child in _sorted(node.child("ssh"))}
    return attrs.evolve(
        build, context=build.context or ".", dockerfile=build.dockerfile or "Dockerfile", ssh=ssh
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
            tmpfs_options=memory.options,
        )
    return tuple(found.values())


def _mount(item: Node) -> Mount:
    bind, volume, memory, image = (item.child(key) for key in ("bind", "volume", "tmpfs", "image"))
    return Mount(
        kind=MountKind(_text(item, "type") or "volume"),
        target=os.path.normpath(_text(item, "target") or "/"),
        source=_text(item, "source") or "",
        read_only=_boolean(item, "read_only"),
        create_host_path=_unless_false(bind, "create_host_path"),
        nocopy=_boolean(volume, "nocopy"),
        tmpfs_size=_size(memory, "size"),
        tmpfs_mode=_whole(memory, "mode"),
        propagation=_text(bind, "propagation") or "",
        recursive=_text(bind, "recursive") or "",
        selinux=_text(bind, "selinux") or "",
        subpath=_text(volume, "subpath") or _text(image, "subpath") or "",
        labels=_texts(_child(volume, "labels")),
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
        return RestartPolicy(
            kind=kind,
            max_retries=attempts if kind is RestartKind.ON_FAILURE else 0,
            delay=_duration(policy, "delay"),
            window=_duration(policy, "window"),
        )
    word, _, count = (text or "no").partition(":")
    kind = RestartKind.NO if word in ("", "false") else RestartKind(word)
    return RestartPolicy(kind=kind, max_retries=int(count or 0))


# ---------------------------------------------------------------------- resources


def _networks(stack: str, selected: Node, services: Iterable[Service]) -> dict[str, NetworkDefinition]:
    """The networks that are used; ``network_mode: bridge`` means the stack's own default network."""
    found = {key: _network(key, node) for key, node in sorted(section(selected, "networks").items())}
    used = {key for service in services for key in service.networks}
    if names.DEFAULT_NETWORK in used - found.keys():
        name = names.resource_name(stack, names.DEFAULT_NETWORK)
        found[names.DEFAULT_NETWORK] = NetworkDefinition(key=names.DEFAULT_NETWORK, name=name)
    return dict(sorted(found.items()))


def _network(key: str, node: Node) -> NetworkDefinition:
    return NetworkDefinition(
        key=key,
        name=_text(node, "name") or key,
        internal=_boolean(node, "internal"),
        external=_boolean(node, "external"),
        attachable=_boolean(node, "attachable"),
        driver=_text(node, "driver") or "bridge",
        driver_opts=_texts(node.child("driver_opts")),
        pools=structure.values_of(Pool, _child(node, "ipam", "config")),
        enable_ipv4=_unless_false(node, "enable_ipv4"),
        enable_ipv6=_boolean(node, "enable_ipv6") or _has_ipv6_subnet(node),
        labels=_texts(node.child("labels")),
    )


def _has_ipv6_subnet(node: Node) -> bool:
    """Whoever writes an IPv6 subnet wants IPv6."""
    pools = structure.values_of(Pool, _child(node, "ipam", "config"))
    return any(":" in (pool.subnet or "") for pool in pools)


def _volume(key: str, node: Node) -> VolumeDefinition:
    return VolumeDefinition(
        key=key,
        name=_text(node, "name") or key,
        external=_boolean(node, "external"),
        driver=_text(node, "driver") or "local",
        driver_opts=_texts(node.child("driver_opts")),
        labels=_texts(node.child("labels")),
    )


def _model(key: str, node: Node) -> ModelDefinition:
    return ModelDefinition(
        key=key,
        name=_text(node, "name") or key,
        model=_text(node, "model") or "",
        context_size=_whole(node, "context_size"),
        runtime_flags=_strings(node.child("runtime_flags")) or (),
    )


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


def _unless_false(node: Node | None, key: str) -> bool:
    child = node.child(key) if node else None
    return child is None or child.value is not False


def _sorted(node: Node | None) -> list[tuple[str, Node]]:
    return sorted(node.entries() if node else (), key=lambda entry: entry[0])


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
    first, _, last = (_text(item, "published") or "0").partition("-")
    return PublishedPort(
        target=_whole(item, "target") or 0,
        published=int(first or 0),
        last=int(last) if last and last != first else 0,
        host_ip=_host_ip(_text(item, "host_ip") or ""),
        protocol=(_text(item, "protocol") or "tcp").lower(),
    )


def _host_ip(text: str) -> str:
    """One spelling of an address; what is none is refused elsewhere."""
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError:
        return text


def _attachments(node: Node | None) -> dict[str, Attachment]:
    if node is None or not node.value:
        return {"default": Attachment()}
    return structure.mapping_of(Attachment, node)


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
