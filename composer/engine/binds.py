"""Where the content of a container's mounts is on the host, settled when it starts.

Own mounts come over those of ``volumes_from``; tmpfs is the runtime's business.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

import attrs

from composer import errors
from composer.engine import peers
from composer.engine.volumes import mounts_with_image_volumes
from composer.host import descriptor
from composer.model.container import ContainerMount, ContainerSpec
from composer.model.protocols import BindMount
from composer.model.stack import MountKind

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord


class Held:
    """Directories found beneath a volume, kept open until the container that mounts them was created.

    A path would be looked up again by the runtime, and by then a container that shares the volume may
    have put a link there (CVE-2021-25741); a descriptor still means what was found.
    """

    def __init__(self) -> None:
        self._descriptors: list[int] = []
        self._paths: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._descriptors:
            os.close(held)
        self._descriptors.clear()

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
        self._descriptors.append(found)
        self._paths.append(Path(f"/proc/{os.getpid()}/fd/{found}"))
        return self._paths[-1]


def settled(drivers: Drivers, container_id: str, spec: ContainerSpec, held: Held) -> tuple[BindMount, ...]:
    """The sources of every mount but tmpfs; ``held`` keeps open what is found by descriptor."""
    found = []
    for owner, mount in _by_target(drivers, container_id, spec).values():
        if mount.kind is MountKind.TMPFS:
            continue
        source, layers = _source(drivers, owner, mount, spec, held)
        found.append(
            BindMount(
                source=source,
                layers=layers,
                is_held=held.holds(source),
                target=mount.target,
                read_only=mount.read_only or bool(layers),
                propagation=mount.propagation,
                recursive=mount.recursive,
            )
        )
    return tuple(found)


def _by_target(
    drivers: Drivers, container_id: str, spec: ContainerSpec
) -> dict[str, tuple[str, ContainerMount]]:
    """Each mount with the id of the container whose anonymous volumes it means."""
    found: dict[str, tuple[str, ContainerMount]] = {}
    for text in spec.volumes_from:
        peer, read_only = _peer_in(drivers, spec, text)
        for mount in _mounts_of(drivers, peer.spec):
            if mount.kind is not MountKind.TMPFS:
                theirs = attrs.evolve(mount, read_only=mount.read_only or read_only)
                found[mount.target] = (peer.id, theirs)
    for mount in _mounts_of(drivers, spec):
        found[mount.target] = (container_id, mount)
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
    drivers: Drivers, owner: str, mount: ContainerMount, spec: ContainerSpec, held: Held
) -> tuple[Path, tuple[Path, ...]]:
    """Where the content is; for an image its layers, and where in them."""
    if mount.kind is MountKind.IMAGE:
        return Path(mount.subpath), drivers.images.layer_paths(drivers.images.get(mount.source))
    if mount.kind is MountKind.BIND:
        return _bind_source(spec.name, mount.source, create=mount.create_host_path), ()
    name = mount.source or drivers.volumes.anonymous(owner, mount)
    source = drivers.volumes.path(name)
    if not source.is_dir():
        message = f"{spec.name}: volume {name} is gone"
        raise errors.OperationFailed(message, hint="Run `composer up` to make it again.")
    if mount.subpath:
        source = held.open_below(source, mount.subpath, f"{spec.name}: volume {name}")
    return source, ()


def _bind_source(container: str, source: str, *, create: bool) -> Path:
    path = Path(source)
    if path.exists():
        return path
    if not create:
        message = f"{container}: bind source {source} does not exist"
        raise errors.OperationFailed(message, hint="Make it, or leave create_host_path out.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{container}: cannot make bind source {source}: {error}"
        raise errors.RuntimeFailure(message) from error
    return path
