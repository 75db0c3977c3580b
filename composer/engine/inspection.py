"""Containers as ``docker container inspect`` describes them, with its names of fields.

``document_of`` is a pure function of what was observed; ``Inspector`` collects that.  Lists and filters
work on the same documents, so that there is one answer to what a container is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from composer import errors
from composer.engine import observe, status
from composer.engine.volumes import mounts_with_image_volumes
from composer.model import logging, moment, names
from composer.model.container import Health
from composer.model.image import ImageConfig
from composer.model.stack import MountKind, PublishedPort, RestartKind
from composer.runtime import defaults

if TYPE_CHECKING:
    from pathlib import Path

    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.container import ContainerMount, ContainerSpec, ObservedContainer
    from composer.model.limits import BlockIo, Limits
    from composer.model.protocols import Endpoint, NetworkState
    from composer.model.stack import Healthcheck

Document = dict[str, Any]

_NANO = 1_000_000_000
_USUAL_GRACE = 10 * _NANO


@attrs.frozen(kw_only=True)
class Surroundings:
    """What a container's document needs besides the container itself."""

    image: ImageConfig = ImageConfig()
    layers: tuple[str, ...] = ()
    endpoints: Mapping[str, Endpoint] = attrs.field(factory=dict)
    networks: Mapping[str, NetworkState] = attrs.field(factory=dict)
    sources: Mapping[str, tuple[str, str]] = attrs.field(factory=dict)
    """Name and path on the host of the volume at each target."""
    data: str = ""
    run: str = ""
    key: str = ""
    """What names the store (``host.paths``)."""


@attrs.frozen(kw_only=True)
class Inspected:
    """A container, described: its document and the sentence that lists show of its state."""

    document: Document
    status: str
    stack: str
    service: str


# --------------------------------------------------------------------------- collecting


class Inspector:
    """Describes containers of any stack of this store."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._networks: dict[str, Mapping[str, NetworkState]] = {}
        self._endpoints: dict[str, dict[str, dict[str, Endpoint]]] = {}

    def every(self) -> list[Inspected]:
        """Every container of the store."""
        return [self.inspect(record) for record in self._drivers.records.every_container()]

    def of_stack(self, stack: str) -> list[Inspected]:
        """Every container of one stack."""
        return [self.inspect(record) for record in self._drivers.records.containers(stack)]

    def inspect(self, record: ContainerRecord) -> Inspected:
        """One container as it is now."""
        drivers, stack = self._drivers, record.spec.stack
        if stack not in self._networks:
            own, foreign = drivers.network.observe(stack), drivers.network.observe_foreign(stack)
            self._networks[stack] = {**foreign, **own}
            self._endpoints[stack] = {}
            for endpoint in drivers.network.endpoints(stack):
                members = self._endpoints[stack].setdefault(endpoint.container_id, {})
                members[endpoint.network] = endpoint
        endpoints = self._endpoints[stack].get(record.id, {})
        observed = observe.observed_container(
            drivers, record, {name: endpoint.address for name, endpoint in endpoints.items()}
        )
        return Inspected(
            document=document_of(observed, self._surroundings(record, endpoints)),
            status=status.status_sentence(observed),
            stack=stack,
            service=record.spec.service,
        )

    def _surroundings(self, record: ContainerRecord, endpoints: Mapping[str, Endpoint]) -> Surroundings:
        drivers, spec = self._drivers, record.spec
        image = drivers.images.find(spec.image_id)
        layers: tuple[str, ...] = ()
        if image is not None:
            try:
                layers = tuple(map(str, drivers.images.layer_paths(image)))
            except errors.StoreDamaged:
                layers = ()  # `system check` says so; the container is still to be looked at
        config = ImageConfig() if image is None else image.config
        sources = {}
        for mount in mounts_with_image_volumes(spec.mounts, config.volumes):
            if mount.kind is MountKind.VOLUME:
                name = mount.source or drivers.volumes.anonymous(record.id, record.spec, mount)
                sources[mount.target] = (name, str(drivers.volumes.path(name)))
        return Surroundings(
            image=config,
            layers=layers,
            endpoints=endpoints,
            networks=self._networks[spec.stack],
            sources=sources,
            data=str(drivers.paths.container_data(record.id)),
            run=str(drivers.paths.container_run(record.id)),
            key=drivers.paths.key,
        )

    def volumes(self) -> list[Document]:
        """Every volume of the store, as ``docker volume inspect`` describes it, by name."""
        return [
            {
                "CreatedAt": moment.rfc3339(created),
                "Driver": "local",
                "Labels": dict(spec.labels),
                "Mountpoint": str(self._drivers.volumes.path(spec.name)),
                "Name": spec.name,
                "Options": dict(spec.options) or None,
                "Scope": "local",
            }
            for spec, created in self._drivers.records.every_volume()
        ]

    def users_of_volumes(self) -> dict[str, list[Document]]:
        """The containers, running or not, that mount each volume, by its name."""
        users: dict[str, list[Document]] = {}
        for one in self.every():
            for mount in one.document["Mounts"]:
                if mount["Type"] == MountKind.VOLUME.value:
                    users.setdefault(mount["Name"], []).append(one.document)
        return users

    def sizes(self, document: Document) -> tuple[int, int]:
        """Bytes of the writable layer, and of that with the image's layers."""
        own = bytes_used(self._drivers.paths.container_data(document["Id"]) / "upper")
        image = self._drivers.images.find(document["Image"])
        return own, own + (image.size if image else 0)


def bytes_used(directory: Path) -> int:
    """Bytes of the regular files of a tree; a file with several names counts once."""
    total = 0
    seen = set()
    for base, _directories, files in os.walk(directory):
        for name in files:
            try:
                status = os.lstat(os.path.join(base, name))
            except OSError:
                continue  # it went away meanwhile
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_size
    return total


# --------------------------------------------------------------------------- describing


def document_of(container: ObservedContainer, around: Surroundings) -> Document:
    """The document of one container."""
    spec = container.spec
    argv = _argv(spec, around.image)
    return {
        "Id": container.id,
        "Created": moment.rfc3339(container.created_at),
        "Path": argv[0] if argv else "",
        "Args": list(argv[1:]),
        "State": _state(container),
        "Image": spec.image_id,
        "ResolvConfPath": f"{around.run}/resolv.conf",
        "HostnamePath": f"{around.run}/hostname",
        "HostsPath": f"{around.run}/hosts",
        "LogPath": f"{around.data}/log",
        "Name": f"/{spec.name}",
        "RestartCount": container.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "HostConfig": _host_config(spec),
        "GraphDriver": {
            "Name": "overlay2",
            "Data": {
                "LowerDir": ":".join(reversed(around.layers)),
                "UpperDir": f"{around.data}/upper",
                "WorkDir": f"{around.data}/work",
            },
        },
        "Mounts": _mounts(spec, around),
        "Config": _config(container.id, spec, around.image),
        "NetworkSettings": _network_settings(container, around),
    }


def _argv(spec: ContainerSpec, image: ImageConfig) -> tuple[str, ...]:
    entrypoint, command = _process_of(spec, image)
    return (*entrypoint, *command)


def _process_of(spec: ContainerSpec, image: ImageConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entrypoint and command; an entrypoint of its own drops the image's command."""
    if spec.entrypoint is None:
        return image.entrypoint or (), (image.command or ()) if spec.command is None else spec.command
    return spec.entrypoint, spec.command or ()


def _state(container: ObservedContainer) -> Document:
    word = status.state_word(container)
    state: Document = {
        "Status": word,
        "Running": container.is_running,
        "Paused": word == "paused",
        "Restarting": word == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": word == "dead",
        "Pid": container.pid,
        "ExitCode": container.exit_code or 0,
        "Error": "",
        "StartedAt": moment.rfc3339(container.started_at),
        "FinishedAt": moment.rfc3339(container.finished_at),
    }
    if container.health is not Health.NONE:
        state["Health"] = {"Status": container.health.value}
    return state


def _config(container_id: str, spec: ContainerSpec, image: ImageConfig) -> Document:
    entrypoint, command = _process_of(spec, image)
    check = spec.healthcheck or image.healthcheck
    exposed = _exposed(spec, image)
    # Docker's order: the container's own variables, then those of the image that are left.
    left = {name: value for name, value in image.environment.items() if name not in spec.environment}
    volumes = {mount.target for mount in spec.mounts if mount.kind is MountKind.VOLUME and not mount.source}
    return {
        "Hostname": spec.hostname or container_id[:12],
        "Domainname": spec.domainname or "",
        "User": image.user if spec.user is None else spec.user,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin_open,
        **({"ExposedPorts": {port: {} for port in exposed}} if exposed else {}),
        "Env": [f"{name}={value}" for name, value in {**spec.environment, **left}.items()],
        "Cmd": list(command) or None,
        **({"Healthcheck": _healthcheck(check)} if check is not None else {}),
        "Image": spec.image,
        "Volumes": {target: {} for target in sorted({*image.volumes, *volumes})} or None,
        "WorkingDir": spec.working_dir or image.working_dir,
        "Entrypoint": list(entrypoint) or None,
        "Labels": {**image.labels, **spec.labels},
        "StopSignal": spec.stop_signal or image.stop_signal,
        "StopTimeout": None if spec.stop_grace_period == _USUAL_GRACE else spec.stop_grace_period // _NANO,
    }


def _exposed(spec: ContainerSpec, image: ImageConfig) -> list[str]:
    """What image, ``expose`` and ``ports`` name, as ``80/tcp``; a range is every port of it."""
    found = {*image.exposed_ports, *(f"{port.target}/{port.protocol}" for port in spec.ports)}
    for text in spec.expose:
        span, _, protocol = text.partition("/")
        first, _, last = span.partition("-")
        found |= {f"{port}/{protocol or 'tcp'}" for port in range(int(first), int(last or first) + 1)}
    return sorted(found)


def _healthcheck(check: Healthcheck) -> Document:
    if check.disabled:
        return {"Test": ["NONE"]}
    times = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
        "Retries": check.retries,
    }
    set_ones = {name: int(value) for name, value in times.items() if value is not None}
    return {**({} if check.test is None else {"Test": list(check.test)}), **set_ones}


# --------------------------------------------------------------------------- HostConfig


def _host_config(spec: ContainerSpec) -> Document:
    names, modes = sorted(spec.memberships), spec.namespaces
    return {
        "Binds": [_bind(mount) for mount in spec.mounts if mount.kind in _BOUND and mount.source] or None,
        "NetworkMode": modes.network or (names[0] if names else "none"),
        "PortBindings": _bindings(spec.ports),
        "RestartPolicy": {
            "Name": spec.restart.kind.value,
            "MaximumRetryCount": spec.restart.max_retries
            if spec.restart.kind is RestartKind.ON_FAILURE
            else 0,
        },
        "AutoRemove": spec.auto_remove,
        "VolumesFrom": list(spec.volumes_from) or None,
        "CapAdd": [defaults.normalised(name) for name in spec.cap_add] or None,
        "CapDrop": [defaults.normalised(name) for name in spec.cap_drop] or None,
        "CgroupnsMode": modes.cgroup or "private",
        "Dns": list(spec.resolver.servers),
        "DnsOptions": list(spec.resolver.options),
        "DnsSearch": list(spec.resolver.search),
        "ExtraHosts": [f"{name}:{one}" for name, found in spec.resolver.hosts.items() for one in found]
        or None,
        "GroupAdd": list(spec.group_add) or None,
        "IpcMode": modes.ipc or "private",
        "OomScoreAdj": spec.oom_score_adj,
        "PidMode": modes.pid,
        "Privileged": spec.privileged,
        "ReadonlyRootfs": spec.read_only,
        "SecurityOpt": list(spec.security_opt) or None,
        "Tmpfs": {
            mount.target: _tmpfs_options(mount) for mount in spec.mounts if mount.kind is MountKind.TMPFS
        }
        or None,
        "UTSMode": modes.uts,
        "UsernsMode": modes.user,
        "ShmSize": int(spec.shm_size or 64 * 1024 * 1024),
        "Sysctls": dict(spec.sysctls),
        "Ulimits": [
            {"Name": name, "Hard": limit.hard, "Soft": limit.soft} for name, limit in spec.ulimits.items()
        ],
        "Devices": [
            {
                "PathOnHost": device.source,
                "PathInContainer": device.target or device.source,
                "CgroupPermissions": device.permissions or "rwm",
            }
            for device in spec.devices
        ],
        "DeviceCgroupRules": list(spec.device_cgroup_rules) or None,
        "CgroupParent": spec.cgroup_parent or "",
        "Annotations": dict(spec.annotations),
        "Init": spec.init or None,
        "LogConfig": {
            "Type": (spec.logging.driver if spec.logging else "") or logging.DEFAULT,
            "Config": dict(spec.logging.options) if spec.logging else {},
        },
        **_limits(spec.limits),
    }


_BOUND = (MountKind.BIND, MountKind.VOLUME)


def _bind(mount: ContainerMount) -> str:
    return f"{mount.source}:{mount.target}:{_mode(mount)}"


def _mode(mount: ContainerMount) -> str:
    words = ["ro" if mount.read_only else "rw"]
    words += ["nocopy"] if mount.nocopy else []
    words += [mount.propagation] if mount.propagation else []
    return ",".join(words)


def _tmpfs_options(mount: ContainerMount) -> str:
    words = ["ro"] if mount.read_only else []
    words += [f"size={int(mount.tmpfs_size)}"] if mount.tmpfs_size is not None else []
    words += [f"mode={mount.tmpfs_mode:o}"] if mount.tmpfs_mode is not None else []
    return ",".join(words)


def _limits(limits: Limits) -> Document:
    return {
        "Memory": int(limits.memory or 0),
        "MemoryReservation": int(limits.memory_reservation or 0),
        "MemorySwap": int(limits.memory_swap or 0),
        "MemorySwappiness": limits.memory_swappiness,
        "NanoCpus": round((limits.cpus or 0) * _NANO),
        "CpuShares": limits.cpu_shares or 0,
        "CpuPeriod": limits.cpu_period or 0,
        "CpuQuota": limits.cpu_quota or 0,
        "CpuRealtimePeriod": limits.cpu_realtime_period or 0,
        "CpuRealtimeRuntime": limits.cpu_realtime_runtime or 0,
        "CpusetCpus": limits.cpuset or "",
        "PidsLimit": limits.pids,
        "OomKillDisable": limits.oom_kill_disable,
        **_block_io(limits.block_io),
    }


def _block_io(block: BlockIo | None) -> Document:
    if block is None:
        return {}
    rates = {
        "BlkioDeviceReadBps": block.device_read_bps,
        "BlkioDeviceReadIOps": block.device_read_iops,
        "BlkioDeviceWriteBps": block.device_write_bps,
        "BlkioDeviceWriteIOps": block.device_write_iops,
    }
    return {
        "BlkioWeight": block.weight,
        "BlkioWeightDevice": [{"Path": one.path, "Weight": one.weight} for one in block.weight_device],
        **{name: [{"Path": one.path, "Rate": one.rate} for one in found] for name, found in rates.items()},
    }


def _bindings(ports: Iterable[PublishedPort]) -> Document:
    found: Document = {}
    for port in ports:
        binding = {"HostIp": port.host_ip, "HostPort": str(port.published or "")}
        found.setdefault(f"{port.target}/{port.protocol}", []).append(binding)
    return found


# --------------------------------------------------------------------------- mounts, networks


def _mounts(spec: ContainerSpec, around: Surroundings) -> list[Document]:
    found = []
    for mount in mounts_with_image_volumes(spec.mounts, around.image.volumes):
        if mount.kind is MountKind.TMPFS:
            continue  # in ``HostConfig.Tmpfs``
        document: Document = {"Type": mount.kind.value}
        source = mount.source
        if mount.kind is MountKind.VOLUME:
            document["Name"], source = around.sources.get(mount.target, (mount.source, ""))
        document |= {
            "Source": source,
            "Destination": mount.target,
            **({"Driver": "local"} if mount.kind is MountKind.VOLUME else {}),
            "Mode": "" if _mode(mount) == "rw" else _mode(mount),
            "RW": not mount.read_only and mount.kind is not MountKind.IMAGE,
            "Propagation": mount.propagation or ("rprivate" if mount.kind is MountKind.BIND else ""),
        }
        found.append(document)
    return found


def _network_settings(container: ObservedContainer, around: Surroundings) -> Document:
    networks = {name: _endpoint(name, container, around) for name in sorted(container.spec.memberships)}
    first = networks.get("bridge") or {}
    keys = ("Gateway", "IPAddress", "IPPrefixLen", "MacAddress")
    empty: Document = {"IPPrefixLen": 0}
    return {
        "SandboxID": container.id if container.is_running else "",
        "SandboxKey": f"/proc/{container.pid}/ns/net" if container.pid else "",
        "Ports": _ports(container, around.image),
        # Of the default network alone, as with Docker.
        **{key: first.get(key, empty.get(key, "")) for key in keys},
        "Networks": networks,
    }


def _endpoint(name: str, container: ObservedContainer, around: Surroundings) -> Document:
    membership = container.spec.memberships[name]
    state = around.networks.get(name)
    endpoint = around.endpoints.get(name)
    is_joined = container.is_running and endpoint is not None
    asked = {"IPv4Address": membership.ipv4_address, "IPv6Address": membership.ipv6_address}
    given = {key: address for key, address in asked.items() if address} or None
    return {
        "IPAMConfig": given,
        "Links": [f"{target}:{alias}" for alias, target in membership.links.items()] or None,
        "Aliases": list(membership.aliases) or None,
        "NetworkID": names.network_id(name, around.key),
        "EndpointID": f"{container.id}-{endpoint.interface}" if is_joined and endpoint else "",
        **_addresses(endpoint if is_joined else None, state),
        "GwPriority": membership.gw_priority,
        "DriverOpts": dict(membership.driver_opts) or None,
        "DNSNames": list(endpoint.names) if endpoint else None,
    }


def _addresses(endpoint: Endpoint | None, state: NetworkState | None) -> Document:
    if endpoint is None or state is None:
        empty = dict.fromkeys(("Gateway", "IPAddress", "IPv6Gateway", "GlobalIPv6Address", "MacAddress"), "")
        return {**empty, "IPPrefixLen": 0, "GlobalIPv6PrefixLen": 0}
    return {
        "Gateway": state.gateway,
        "IPAddress": endpoint.address,
        "IPPrefixLen": int(state.subnet.rpartition("/")[2] or 0) if endpoint.address else 0,
        "IPv6Gateway": state.gateway6,
        "GlobalIPv6Address": endpoint.address6,
        "GlobalIPv6PrefixLen": int(state.subnet6.rpartition("/")[2] or 0) if endpoint.address6 else 0,
        "MacAddress": endpoint.mac,
    }


def _ports(container: ObservedContainer, image: ImageConfig) -> Document:
    """The ports of a running container: those published with where, those only exposed with ``null``."""
    if not container.is_running:
        return {}
    found: Document = dict.fromkeys(_exposed(container.spec, image))
    for port in container.ports:
        key = f"{port.target}/{port.protocol}"
        for address in port.addresses:
            binding = {"HostIp": address, "HostPort": str(port.published)}
            found[key] = [*(found.get(key) or ()), binding]
    return found
