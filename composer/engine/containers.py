"""The life of one container, step by step, through the drivers.  Synchronous: called in threads.

Order matters for what a ``kill -9`` leaves.  Making: record (``creating``), directories, material,
then ``ready``.  Starting: the wish is recorded first, so that whoever comes next knows that the
container should run.  Removing: ``removing``, then the kernel's things, the directories, the
record last; every step can be done again.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import attrs

from composer import errors
from composer.engine import binds, peers, sharing
from composer.engine.observe import EXIT_UNKNOWN
from composer.engine.volumes import mounts_with_image_volumes
from composer.host import resolvconf
from composer.model.container import ContainerSpec, VolumeSpec, Wish
from composer.model.protocols import BindMount, ContainerRequest, MaterialFile
from composer.model.stack import MountKind

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.image import Image
    from composer.model.protocols import Endpoint, NamespaceHandle, ProcessIdentity

NAME_SERVER = "127.0.0.11"
"""Where the supervisor answers DNS inside every container's network namespace (as Docker's)."""

Material = Mapping[str, bytes]
"""Contents of configs and secrets by digest."""


@attrs.frozen(kw_only=True)
class Prepared:
    """A container whose first process exists but has not run its program yet."""

    id: str
    identity: ProcessIdentity
    namespace: NamespaceHandle = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Ended:
    """How a container's first process ended."""

    exit_code: int
    oom_killed: bool
    finished_at: float


class _Naming(TypedDict):
    """The part of a ``ContainerRequest`` that makes ``/etc/hosts`` and ``/etc/resolv.conf``."""

    hostname: str
    hosts: tuple[tuple[str, str], ...]
    name_servers: tuple[str, ...]
    search_domains: tuple[str, ...]
    resolver_options: tuple[str, ...]


class Containers:
    """Makes, starts, settles and removes containers of this store."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers

    # ------------------------------------------------------------------ create

    def create(self, spec: ContainerSpec, material: Material) -> str:
        """Record the container and make everything that is on disk; returns its id."""
        drivers = self._drivers
        image = drivers.images.get(spec.image_id or spec.image)
        spec = attrs.evolve(spec, image_id=image.id)
        container_id = drivers.records.add_container(spec)
        directory = drivers.paths.container_data(container_id)
        try:
            for name in ("upper", "work"):
                (directory / name).mkdir(mode=0o755, parents=True, exist_ok=True)
            directory.chmod(0o711)
            self._make_root_like_image(image, directory / "upper")
        except OSError as error:
            message = f"cannot make the writable layer of {spec.name}: {error}"
            raise errors.RuntimeFailure(message) from error
        self.write_material(container_id, spec, material)
        self._make_volumes(container_id, spec, image)
        drivers.records.set_phase(container_id, "ready")
        return container_id

    def write_material(self, container_id: str, spec: ContainerSpec, material: Material) -> None:
        """Put configs and secrets where the container mounts them from (memory only)."""
        if not spec.files:
            return
        missing = [file.target for file in spec.files if file.digest not in material]
        if missing:
            message = f"{spec.name}: the content of {', '.join(missing)} is not at hand"
            raise errors.OperationFailed(message, hint="Run `composer up` to read it from its source.")
        self._drivers.runtime.write_files(
            container_id,
            [
                MaterialFile(
                    target=file.target,
                    content=material[file.digest],
                    uid=file.uid,
                    gid=file.gid,
                    mode=file.mode,
                )
                for file in spec.files
            ],
        )

    def _make_root_like_image(self, image: Image, upper: Path) -> None:
        """The merged root shows the upper directory's own mode and owner: take the image's."""
        layers = self._drivers.images.layer_paths(image)
        if layers:
            status = layers[-1].stat()
            upper.chmod(status.st_mode & 0o7777)
            shutil.chown(upper, status.st_uid, status.st_gid)

    def _make_volumes(self, container_id: str, spec: ContainerSpec, image: Image) -> None:
        drivers = self._drivers
        layers = drivers.images.layer_paths(image)
        for mount in mounts_with_image_volumes(spec.mounts, image.config.volumes):
            if mount.kind is not MountKind.VOLUME:
                continue
            name = mount.source
            if not name:
                name = drivers.volumes.anonymous(container_id, spec, mount)
                volume = VolumeSpec(stack=spec.stack, key="", name=name, labels=mount.labels)
                drivers.volumes.create(volume)
            if not mount.nocopy and not mount.subpath and not drivers.volumes.is_mounted(name):
                drivers.volumes.fill_from_image(name, mount.target, layers, container_id)

    # ------------------------------------------------------------------ start

    def prepare(self, container_id: str) -> Prepared:
        """Join the networks and let the runtime make the first process; nothing runs yet."""
        drivers = self._drivers
        record = self.record_of(container_id)
        spec = record.spec
        if spec.files and not drivers.runtime.has_files(container_id):
            message = f"{spec.name}: its configs and secrets are gone (they live in memory only)"
            raise errors.OperationFailed(message, hint="Run `composer up` to read them again.")
        find = partial(peers.first_process_of, drivers, spec)
        with binds.Held() as held:
            mounted = binds.settled(drivers, container_id, spec, held)
            return self._created(record, mounted, sharing.shared_by(spec, find))

    def _created(
        self, record: ContainerRecord, mounted: tuple[BindMount, ...], shared: sharing.Shared
    ) -> Prepared:
        drivers, container_id, spec = self._drivers, record.id, record.spec
        image = drivers.images.get(spec.image_id)
        if shared.shm_of:
            shm = BindMount(source=Path(sharing.SHM), target=sharing.SHM, peer=shared.shm_of)
            mounted = (*mounted, shm)
        try:
            namespace, endpoints = self._joined(container_id, spec, shared)
        except BaseException:
            shared.close()
            raise
        try:
            directory = drivers.paths.container_data(container_id)
            identity = drivers.runtime.create(
                ContainerRequest(
                    id=container_id,
                    spec=spec,
                    image=image.config,
                    layers=drivers.images.layer_paths(image),
                    upper=directory / "upper",
                    work=directory / "work",
                    log=directory / "log",
                    binds=mounted,
                    network_namespace=namespace.path if shared.has_own_network else shared.network,
                    namespaces=shared.namespaces,
                    exit_command=self._exit_command(spec.stack),
                    **self._naming(record, endpoints),
                )
            )
        except BaseException:
            namespace.close()
            self._undo_prepare(container_id)
            raise
        finally:
            if shared.has_own_network:
                shared.close()
        drivers.records.process_created(container_id, identity)
        return Prepared(id=container_id, identity=identity, namespace=namespace)

    def _joined(
        self, container_id: str, spec: ContainerSpec, shared: sharing.Shared
    ) -> tuple[NamespaceHandle, tuple[Endpoint, ...]]:
        """A namespace of its own on the container's networks, or the one it shares."""
        if not shared.has_own_network:
            return shared, ()
        namespace, endpoints, _ports = self._drivers.network.connect(
            container_id, spec.memberships, names_of(container_id, spec), spec.ports, stack=spec.stack
        )
        return namespace, endpoints

    def _naming(self, record: ContainerRecord, endpoints: tuple[Endpoint, ...]) -> _Naming:
        """``/etc/hosts`` and ``/etc/resolv.conf``: composer's own entries, then the stack's.

        Who shares a network has the same as whose it is, his host name included.
        """
        whose = peers.named_as(self._drivers, record)
        spec = whose.spec
        if whose is not record:
            listed = self._drivers.network.endpoints(spec.stack)
            endpoints = tuple(endpoint for endpoint in listed if endpoint.container_id == whose.id)
        own = spec.hostname or whose.id[:12]
        full = f"{own}.{spec.domainname} {own}" if spec.domainname else own
        own_addresses = [one for endpoint in endpoints for one in (endpoint.address, endpoint.address6)]
        hosts = [(address, full) for address in own_addresses if address]
        for name, addresses in spec.resolver.hosts.items():
            hosts += [(_address(address, endpoints), name) for address in addresses]
        settings = resolvconf.inside(
            spec.resolver, resolvconf.of_host(), server=NAME_SERVER if endpoints else ""
        )
        return {
            "hostname": own if whose is not record else "",
            "hosts": tuple(hosts),
            "name_servers": settings.servers,
            "search_domains": settings.search,
            "resolver_options": settings.options,
        }

    def start(self, prepared: Prepared) -> None:
        """Let the prepared first process run its program."""
        try:
            self._drivers.runtime.start(prepared.id)
        except errors.ComposerError:
            self._undo_prepare(prepared.id)
            raise
        finally:
            prepared.namespace.close()
        self._drivers.records.started(prepared.id, time.time())

    def _undo_prepare(self, container_id: str) -> None:
        self._drivers.runtime.release(container_id)
        self._drivers.network.disconnect(container_id)

    def _exit_command(self, stack: str) -> tuple[str, ...]:
        """What conmon runs when the container ended: revive the supervisor, if none lives.

        The usual case (it lives and holds its lock) costs a shell and one ``flock``, no Python.
        """
        paths = self._drivers.paths
        lock = paths.stack_run(stack) / "supervisor.lock"
        script = '[ -e "$0" ] && flock --nonblock "$0" true && exec "$@"'
        revive = (sys.executable, "-I", "-m", "composer.supervisor.revive")
        return ("/bin/sh", "-c", script, str(lock), *revive, str(paths.data), str(paths.run), stack)

    # ------------------------------------------------------------------ end

    def settle(self, container_id: str) -> Ended:
        """The first process ended: record how, then free what only a running container needs.

        Waits (bounded) for conmon to have written the exit code; without one it is unknown.
        """
        drivers = self._drivers
        drivers.runtime.await_exit_code(container_id, seconds=2.0)
        state = drivers.runtime.state(container_id)
        ended = Ended(
            exit_code=EXIT_UNKNOWN if state.exit_code is None else state.exit_code,
            oom_killed=state.oom_killed,
            finished_at=state.finished_at or time.time(),
        )
        record = drivers.records.container(container_id)
        if record is not None and record.exit_code is None:
            drivers.records.exited(
                container_id,
                exit_code=ended.exit_code,
                oom_killed=ended.oom_killed,
                at=ended.finished_at,
            )
        elif record is not None and record.exit_code is not None:
            ended = attrs.evolve(ended, exit_code=record.exit_code)
        drivers.network.disconnect(container_id)
        drivers.runtime.release(container_id)
        return ended

    # ------------------------------------------------------------------ remove

    def remove(self, container_id: str, *, with_anonymous_volumes: bool = True) -> None:
        """Remove a container that does not run, whatever state a dead run left it in."""
        drivers = self._drivers
        record = drivers.records.container(container_id)
        if record is None:
            return
        drivers.records.set_phase(container_id, "removing")
        drivers.runtime.kill_all(container_id)
        drivers.runtime.remove(container_id)
        drivers.network.disconnect(container_id)
        drivers.network.release_container(container_id)
        if with_anonymous_volumes:
            self._remove_anonymous_volumes(record)
        directory = drivers.paths.container_data(container_id)
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            pass
        except OSError as error:
            message = f"cannot remove {directory}: {error}"
            raise errors.RuntimeFailure(message) from error
        drivers.records.forget_container(container_id)

    def _remove_anonymous_volumes(self, record: ContainerRecord) -> None:
        image = self._drivers.images.find(record.spec.image_id)
        declared = image.config.volumes if image else ()
        for mount in mounts_with_image_volumes(record.spec.mounts, declared):
            if mount.kind is MountKind.VOLUME and not mount.source:
                self._drivers.volumes.remove(self._drivers.volumes.anonymous(record.id, record.spec, mount))

    # ------------------------------------------------------------------ look

    def record_of(self, container_id: str) -> ContainerRecord:
        """The record; its absence is a bug of ours."""
        record = self._drivers.records.container(container_id)
        if record is None:
            message = f"no record of container {container_id[:12]}"
            raise errors.InternalError(message)
        return record

    def wish(self, container_id: str, wish: Wish) -> None:
        """Record what is asked of a container before doing it."""
        self._drivers.records.set_wish(container_id, wish)


def names_of(container_id: str, spec: ContainerSpec) -> list[str]:
    """What DNS knows a container by on every network, the most telling name first."""
    return [spec.name, container_id[:12]] + ([] if spec.one_off else [spec.service])


def _address(address: str, endpoints: tuple[Endpoint, ...]) -> str:
    """``host-gateway`` is where the host answers: its address on the first network, else loopback."""
    if address != "host-gateway":
        return address
    return next((endpoint.gateway for endpoint in endpoints if endpoint.gateway), "127.0.0.1")
