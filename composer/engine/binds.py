"""Where the content of a container's mounts is on the host, settled when it starts.

Own mounts come over those of ``volumes_from``; tmpfs is the runtime's business.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from composer import errors
from composer.engine import localmounts, peers
from composer.engine.volumes import mounts_with_image_volumes
from composer.host import descriptor, durable
from composer.model import localvolume
from composer.model.container import ContainerMount, ContainerSpec, VolumeSpec
from composer.model.protocols import BindMount
from composer.model.stack import MountKind

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord


class Held:
    """What must stay until the container that mounts it was created: mounts of ours, open directories.

    A path would be looked up again by the runtime, and by then a container that shares the volume may
    have put a link there (CVE-2021-25741); a descriptor still means what was found.
    """

    def __init__(self) -> None:
        self._kept = ExitStack()
        self._paths: list[Path] = []
        self.volumes: dict[str, tuple[Path, tuple[str, ...]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def mount(self, drivers: Drivers, container_id: str, volume: VolumeSpec) -> bool:
        """Mount a volume that is no directory of the store; returns whether nobody else has it."""
        mount = localvolume.mount_of(volume.options)
        if mount is None:
            return False
        place, is_first = self._kept.enter_context(
            localmounts.mounted(drivers, volume.name, mount, container_id)
        )
        self.volumes[volume.name] = (place, mount.words)
        return is_first

    def holds(self, path: Path) -> bool:
        """Whether a path is one that ``open_below`` gave."""
        return path in self._paths

    def open_below(self, base: Path, below: str, what: str) -> Path:
        """A path that means ``below`` beneath ``base``; raises ``OperationFailed`` when nothing is there."""
        root = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = descriptor.open_in_root(root, below, os.O_PATH)
        except OSError as error:
            message = f"{what} has nothing at {below}"
            raise errors.OperationFailed(message, hint="Look at volume.subpath.") from error
        finally:
            os.close(root)
        self._kept.callback(os.close, found)
        self._paths.append(Path(f"/proc/{os.getpid()}/fd/{found}"))
        return self._paths[-1]


def settled(drivers: Drivers, container_id: str, spec: ContainerSpec, held: Held) -> tuple[BindMount, ...]:
    """The sources of every mount but tmpfs; ``held`` keeps what must stay until they are mounted."""
    by_target = _by_target(drivers, container_id, spec)
    _mount_volumes(drivers, container_id, spec, [mount for _, mount in by_target.values()], held)
    found = []
    for (owner, owners_spec), mount in by_target.values():
        if mount.kind is MountKind.TMPFS:
            continue
        name = mount.source or drivers.volumes.anonymous(owner, owners_spec, mount)
        base, words = (
            held.volumes.get(name, (drivers.volumes.path(name), ())) if _is_volume(mount) else (None, ())
        )
        source, layers = _source(drivers, mount, spec, held, base)
        found.append(
            BindMount(
                source=source,
                layers=layers,
                is_held=held.holds(source),
                target=mount.target,
                read_only=mount.read_only or bool(layers) or "ro" in words,
                propagation=mount.propagation,
                recursive=mount.recursive,
                flags=tuple(word for word in words if word != "ro"),
            )
        )
    return tuple(found)


def _is_volume(mount: ContainerMount) -> bool:
    return mount.kind is MountKind.VOLUME


def _mount_volumes(
    drivers: Drivers, container_id: str, spec: ContainerSpec, wanted: list[ContainerMount], held: Held
) -> None:
    """Mount every named volume that is a mount of its own; by name, so that no two wait for each other."""
    by_name: dict[str, ContainerMount] = {}
    for mount in filter(_is_volume, wanted):
        by_name.setdefault(mount.source, mount)
    for name, mount in sorted(by_name.items()):
        volume = drivers.records.volume(name) if name else None
        if volume is None or not volume.options:
            continue
        is_first = held.mount(drivers, container_id, volume)
        if is_first and not mount.nocopy and not mount.subpath:
            layers = drivers.images.layer_paths(drivers.images.get(spec.image_id))
            drivers.volumes.fill_mounted(held.volumes[name][0], mount.target, layers, container_id)


def _by_target(
    drivers: Drivers, container_id: str, spec: ContainerSpec
) -> dict[str, tuple[tuple[str, ContainerSpec], ContainerMount]]:
    """Each mount with the container whose anonymous volumes it means."""
    found: dict[str, tuple[tuple[str, ContainerSpec], ContainerMount]] = {}
    for text in spec.volumes_from:
        peer, read_only = _peer_in(drivers, spec, text)
        for mount in _mounts_of(drivers, peer.spec):
            if mount.kind is not MountKind.TMPFS:
                theirs = attrs.evolve(mount, read_only=mount.read_only or read_only)
                found[mount.target] = ((peer.id, peer.spec), theirs)
    for mount in _mounts_of(drivers, spec):
        found[mount.target] = ((container_id, spec), mount)
    return found


def _mounts_of(drivers: Drivers, spec: ContainerSpec) -> tuple[ContainerMount, ...]:
    image = drivers.images.find(spec.image_id)
    return mounts_with_image_volumes(spec.mounts, image.config.volumes if image else ())


def _peer_in(drivers: Drivers, spec: ContainerSpec, text: str) -> tuple[ContainerRecord, bool]:
    """``[container:]NAME[:ro|rw]``: whose mounts, and whether for reading only."""
    words = text.split(":")
    kind = "container" if words[0] == "container" else "service"
    name = words[1] if kind == "container" else words[0]
    for record in peers.candidates(drivers, spec, kind, name):
        return record, words[-1] == "ro"
    message = f"{spec.name}: there is no {kind} {name} to take volumes from"
    raise errors.OperationFailed(message, hint=f"Create {name} first.")


def _source(
    drivers: Drivers, mount: ContainerMount, spec: ContainerSpec, held: Held, volume: Path | None
) -> tuple[Path, tuple[Path, ...]]:
    """Where the content is; for an image its layers, and where in them.  ``volume`` is a volume's root."""
    if mount.kind is MountKind.IMAGE:
        return Path(mount.subpath), drivers.images.layer_paths(drivers.images.get(mount.source))
    if volume is None:
        return _bind_source(spec.name, mount.source, create=mount.create_host_path), ()
    name = mount.source or "at " + mount.target
    if not volume.is_dir():
        message = f"{spec.name}: volume {name} is gone"
        raise errors.OperationFailed(message, hint="Run `composer up` to make it again.")
    if mount.subpath:
        return held.open_below(volume, mount.subpath, f"{spec.name}: volume {name}"), ()
    return volume, ()


def _bind_source(container: str, source: str, *, create: bool) -> Path:
    path = Path(source)
    if path.exists():
        return path
    if not create:
        message = f"{container}: bind source {source} does not exist"
        raise errors.OperationFailed(message, hint="Make it, or leave create_host_path out.")
    try:
        durable.make_directory(path, 0o755)
    except OSError as error:
        message = f"{container}: cannot make bind source {source}: {error}"
        raise errors.RuntimeFailure(message) from error
    return path
