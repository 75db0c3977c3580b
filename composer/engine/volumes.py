"""Named and anonymous volumes: one directory each, ``<data>/volumes/<name>/_data``.

A volume is the user's: it is created empty, filled once from the image's content at its mount point
(as Docker does), and removed only when asked.  First-use filling copies into a sibling directory
and renames it over the empty ``_data``, so that a kill leaves either an empty or a whole volume.
Removal renames first, so that a half-deleted volume is never mistaken for one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from composer import errors
from composer.host import durable, mounts, process
from composer.model import names
from composer.model.container import ContainerMount, ContainerSpec, ObservedVolume, VolumeSpec
from composer.model.stack import MountKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.records import Records
    from composer.host.paths import Paths

ANONYMOUS = "anonymous-"
"""Begins the names of volumes that were given none."""

_DOOMED = ".removing-"


class Volumes:
    """The volumes of this store."""

    def __init__(self, paths: Paths, records: Records) -> None:
        self._root = paths.volumes
        self._scratch = paths.run / "copy"
        self._paths = paths
        self._records = records

    def path(self, name: str) -> Path:
        """Where the content of a volume lies."""
        return self._directory(name) / "_data"

    def _directory(self, name: str) -> Path:
        """The volume's own directory; a name that would lead out of the store is refused here too."""
        if "/" in name or name in ("", ".", "..") or name.startswith(_DOOMED):
            message = f"{name!r} cannot be the name of a volume"
            raise errors.StoreDamaged(message, hint="The record is not one that composer writes.")
        return self._root / name

    def create(self, spec: VolumeSpec) -> None:
        """Record, then make; idempotent."""
        self._records.add_volume(spec)
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._directory(spec.name).mkdir(mode=0o711, exist_ok=True)
            durable.make_directory(self.path(spec.name), 0o755)
        except OSError as error:
            message = f"cannot make volume {spec.name}: {error}"
            raise errors.RuntimeFailure(message) from error

    def remove(self, name: str) -> None:
        """Delete content and record; idempotent."""
        directory = self._directory(name)
        doomed = self._root / f"{_DOOMED}{name}"
        try:
            if directory.exists():
                shutil.rmtree(doomed, ignore_errors=True)
                directory.rename(doomed)
            if doomed.exists():
                shutil.rmtree(doomed)
        except OSError as error:
            message = f"cannot remove volume {name}: {error}"
            raise errors.RuntimeFailure(message) from error
        self._forget_mounts(name)
        self._records.forget_volume(name)

    def _forget_mounts(self, name: str) -> None:
        """The lock, and mount points of starts that were killed; the mounts went with their namespace."""
        directory = self._paths.mounted_volume(name)
        if directory.is_dir():
            for entry in directory.iterdir():
                entry.rmdir() if entry.is_dir() else entry.unlink()
            directory.rmdir()

    def observe(self, stack: str) -> Mapping[str, ObservedVolume]:
        """The recorded volumes of a stack, each with what is wrong with it."""
        return {
            spec.name: ObservedVolume(
                spec=spec,
                path=str(self.path(spec.name)),
                damage="" if self.path(spec.name).is_dir() else "its directory is gone",
            )
            for spec in self._records.volumes(stack)
        }

    def is_mounted(self, name: str) -> bool:
        """Whether the content is no directory of the store, but something mounted for each container."""
        spec = self._records.volume(name)
        return spec is not None and bool(spec.options)

    def anonymous(self, container_id: str, spec: ContainerSpec, mount: ContainerMount) -> str:
        """The derived name of a container's anonymous volume at ``mount.target``.

        A service's container that is made again finds its volumes again, also where the run that
        removed its predecessor was killed; those of one-offs and of containers by hand are their own.
        """
        is_of_service = not spec.one_off and names.LABEL_SERVICE in spec.labels
        owner = f"{spec.stack}/{spec.service}/{spec.number}" if is_of_service else container_id
        return f"{ANONYMOUS}{names.short_hash('volume', owner, mount.target)}"

    def fill_from_image(self, name: str, target: str, layers: Sequence[Path], scratch: str) -> None:
        """Copy what the image has at ``target`` into the volume, if the volume is still empty.

        ``scratch`` is a name unique to the caller (a container id) for the temporary mount.
        """
        destination = self.path(name)
        if any(destination.iterdir()):
            return
        copy = self._directory(name) / "filling"
        shutil.rmtree(copy, ignore_errors=True)
        if self._copy_of_image(target, layers, scratch, copy):
            copy.rename(destination)

    def fill_mounted(self, place: Path, target: str, layers: Sequence[Path], scratch: str) -> None:
        """As ``fill_from_image`` for what is mounted at ``place``: there is nothing to rename it from."""
        if not any(place.iterdir()):
            self._copy_of_image(target, layers, scratch, place)

    def _copy_of_image(self, target: str, layers: Sequence[Path], scratch: str, destination: Path) -> bool:
        """Copy the image's directory ``target``; whether there is one."""
        root = self._scratch / scratch
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        mounts.mount_overlay(root, layers, None, None)
        try:
            descriptor = _open_directory(root, target)
            if descriptor is None:
                return False
            try:
                _copy_tree(descriptor, destination)
            finally:
                os.close(descriptor)
        finally:
            mounts.unmount(root)
            root.rmdir()
        return True


def mounts_with_image_volumes(
    mounts_of_spec: Sequence[ContainerMount], image_volumes: Sequence[str]
) -> tuple[ContainerMount, ...]:
    """The container's mounts and, for each ``VOLUME`` of the image not covered, an anonymous one."""
    covered = {mount.target.rstrip("/") or "/" for mount in mounts_of_spec}
    extra = tuple(
        ContainerMount(kind=MountKind.VOLUME, target=target)
        for target in sorted(image_volumes)
        if (target.rstrip("/") or "/") not in covered
    )
    return (*mounts_of_spec, *extra)


def _open_directory(root: Path, target: str) -> int | None:
    """A descriptor of ``target`` beneath ``root``, or ``None`` when the image has no directory there."""
    from composer.host import descriptor

    try:
        base = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return descriptor.open_in_root(base, target, os.O_RDONLY | os.O_DIRECTORY)
        finally:
            os.close(base)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _copy_tree(source: int, destination: Path) -> None:
    """``cp -a`` of an open directory: ownership, modes, times, xattrs and special files are kept."""
    os.set_inheritable(source, True)
    result = process.run(
        ["cp", "-a", "--", f"/proc/self/fd/{source}/.", str(destination)], keep_descriptors=(source,)
    )
    if result.exit_code != 0:
        message = f"cannot fill volume at {destination.parent}: {result.said}"
        raise errors.RuntimeFailure(message)
    # cp leaves the sticky bit of a directory that was there before.
    destination.chmod(os.stat(source).st_mode & 0o7777)
