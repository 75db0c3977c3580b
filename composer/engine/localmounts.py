"""Volumes whose content is mounted (``driver_opts``): NFS, a tmpfs, a disk, a directory of the host.

A volume is mounted while a container is created, in the supervisor's own mount namespace; the container
takes its copy of the mount and ours goes.  So a mount lives exactly as long as the containers that use it,
and there is none to be left over.  A further container gets its copy from one that runs: two of them
share one tmpfs.  One lock per volume keeps two from being first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from composer import errors
from composer.host import filelock, mounts
from composer.model import localvolume
from composer.model.stack import MountKind

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.model.localvolume import LocalMount

_WAITS = 120.0
"""Seconds: a server that does not answer holds up a mount for as long as the kernel tries."""


@contextmanager
def mounted(
    drivers: Drivers, volume: str, mount: LocalMount, container_id: str
) -> Iterator[tuple[Path, bool]]:
    """Have the volume mounted for the time of a ``with``: where, and whether nobody else has it now."""
    directory = drivers.paths.mounted_volume(volume)
    place = directory / container_id[:12]
    with filelock.hold(directory / "lock", seconds=_WAITS):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            is_first = not _taken_from_a_running_one(drivers, volume, place)
            if is_first:
                _mount(volume, mount, place)
            try:
                yield place, is_first
            finally:
                mounts.unmount(place)
        finally:
            place.rmdir()


def _taken_from_a_running_one(drivers: Drivers, volume: str, place: Path) -> bool:
    for record in drivers.records.containers_with_volume(volume):
        state = drivers.runtime.state(record.id)
        targets = [
            mount.target
            for mount in record.spec.mounts
            if mount.kind is MountKind.VOLUME and mount.source == volume and not mount.subpath
        ]
        if state.init is None or not targets:
            continue
        device = _device_at(state.init.pid, targets[0])
        if device is None:
            continue
        try:
            mounts.bind_from(state.init.pid, targets[0], place)
        except errors.RuntimeFailure:
            continue  # it ended just now
        if place.stat().st_dev == device:
            return True
        # Its own links led somewhere else than where the volume is mounted.
        mounts.unmount(place)
    return False


def _device_at(pid: int, target: str) -> int | None:
    """The device number of what a process has mounted at ``target`` itself (proc_pid_mountinfo(5))."""
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            found = [
                fields for fields in (line.split(" ") for line in table) if fields[4] == _escaped(target)
            ]
    except OSError:
        return None
    if not found:
        return None
    major, _, minor = found[-1][2].partition(":")
    return os.makedev(int(major), int(minor))


def _escaped(path: str) -> str:
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def _mount(volume: str, mount: LocalMount, place: Path) -> None:
    data = mount.data
    if mount.host:
        data = mount.data_with(_address_of(volume, mount.host))
    try:
        if mount.is_bind:
            mounts.mount(
                mount.device, str(place), "", mount.flags & (localvolume.BIND | localvolume.RECURSIVE)
            )
            rest = mount.flags & ~localvolume.RECURSIVE
            if rest != localvolume.BIND:
                mounts.mount("none", str(place), "", rest | mounts.MS_REMOUNT)
        else:
            mounts.mount(mount.device, str(place), mount.kind, mount.flags, data)
    except errors.ComposerError as error:
        mounts.unmount(place)
        message = f"cannot mount volume {volume} ({mount.kind or 'bind'} {mount.device}): {error.message}"
        raise errors.OperationFailed(message, hint="Look at its driver_opts.") from error


def _address_of(volume: str, host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        message = f"cannot mount volume {volume}: {host} has no address ({error})"
        raise errors.OperationFailed(message, hint="Look at addr= in its driver_opts.") from error
