"""A container's file tree as the container sees it, or as its image and writable layer make it.

What runs is looked at through ``/proc/PID/root``, whose mounts are the container's own; nothing of us
enters its namespaces (reliability rule 9).  What is stopped is mounted in a mount namespace of ours,
with its volumes and binds where the container has them; the supervisor keeps it from starting
meanwhile (``container_hold``), because an overlay's upper directory can serve one mount at a time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from composer import errors
from composer.engine import binds
from composer.host import descriptor, mounts, process
from composer.runtime import targets

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.protocols import BindMount, ProcessIdentity


def first_process(drivers: Drivers, record: ContainerRecord) -> ProcessIdentity | None:
    """The container's living first process, if it has one."""
    return drivers.runtime.state(record.id).init


@contextmanager
def as_seen_inside(drivers: Drivers, record: ContainerRecord) -> Iterator[int]:
    """A descriptor of the root with everything that is mounted below it.

    The calling process must be in a mount namespace of its own, and the supervisor must hold a
    container that does not run.
    """
    identity = first_process(drivers, record)
    if identity is None:
        with _mounted(drivers, record, with_mounts=True) as root:
            yield root
        return
    root = _root_of(identity, record)
    try:
        yield root
    finally:
        os.close(root)


@contextmanager
def without_mounts(drivers: Drivers, record: ContainerRecord) -> Iterator[int]:
    """A descriptor of image and writable layer alone: what ``export`` writes."""
    identity = first_process(drivers, record)
    if identity is None:
        with _mounted(drivers, record, with_mounts=False) as root:
            yield root
        return
    place = _scratch(drivers, record)
    try:
        mounts.bind_from(identity.pid, "/", place)
        with _opened(place) as root:
            yield root
    finally:
        mounts.unmount(place)
        place.rmdir()


@contextmanager
def of_image(drivers: Drivers, record: ContainerRecord) -> Iterator[int]:
    """A descriptor of what the container began with: its image's layers, nothing of its own."""
    image = drivers.images.get(record.spec.image_id)
    place = _scratch(drivers, record)
    try:
        mounts.mount_overlay(place, drivers.images.layer_paths(image), None, None)
        with _opened(place) as root:
            yield root
    finally:
        mounts.unmount(place)
        place.rmdir()


def _root_of(identity: ProcessIdentity, record: ContainerRecord) -> int:
    try:
        root = os.open(f"/proc/{identity.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _ended(record) from error
    # The pid may have been given to another process before we opened: then ours is dead by now.
    if not process.is_alive(identity):
        os.close(root)
        raise _ended(record)
    return root


def _ended(record: ContainerRecord) -> errors.OperationFailed:
    message = f"container {record.spec.name} ended just now"
    return errors.OperationFailed(message, hint="Run the command again.")


@contextmanager
def _mounted(drivers: Drivers, record: ContainerRecord, *, with_mounts: bool) -> Iterator[int]:
    directory = drivers.paths.container_data(record.id)
    image = drivers.images.get(record.spec.image_id)
    place = _scratch(drivers, record)
    with ExitStack() as stack:
        stack.callback(place.rmdir)
        layers = drivers.images.layer_paths(image)
        mounts.mount_overlay(place, layers, directory / "upper", directory / "work")
        stack.callback(mounts.unmount, place)
        root = stack.enter_context(_opened(place))
        if with_mounts:
            held = stack.enter_context(binds.Held())
            for number, bind in enumerate(binds.settled(drivers, record.id, record.spec, held)):
                _place(root, bind, place.with_name(f"{place.name}-{number}"), stack)
        if record.spec.read_only:
            _make_read_only(place)
        yield root


@contextmanager
def _opened(place: Path) -> Iterator[int]:
    root = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


def _place(root: int, bind: BindMount, staged: Path, stack: ExitStack) -> None:
    """Mount one thing where the container has it; found beneath the root, mounted by descriptor."""
    source = bind.source
    if bind.layers:
        staged.mkdir(mode=0o700, exist_ok=True)
        stack.callback(staged.rmdir)
        mounts.mount_overlay(staged, bind.layers, None, None)
        stack.callback(mounts.unmount, staged)
        source = staged / str(bind.source).lstrip("/")  # nobody can change what is in a layer
    is_directory = stat.S_ISDIR(os.stat(source).st_mode)
    target = targets.prepare(root, bind.target, is_directory=is_directory)
    opened = descriptor.open_in_root(root, target, os.O_PATH)
    try:
        mounts.bind(source, Path(f"/proc/self/fd/{opened}"))
    finally:
        os.close(opened)
    if bind.read_only:
        opened = descriptor.open_in_root(root, target, os.O_PATH)
        try:
            _make_read_only(Path(f"/proc/self/fd/{opened}"))
        finally:
            os.close(opened)


def _make_read_only(place: Path) -> None:
    mounts.mount("none", str(place), "", mounts.MS_BIND | mounts.MS_REMOUNT | mounts.MS_RDONLY)


def _scratch(drivers: Drivers, record: ContainerRecord) -> Path:
    """An empty directory of this process's to mount at; those of dead processes go."""
    views = drivers.paths.run / "views"
    views.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in views.iterdir():
        if not Path(f"/proc/{left.name.split('-')[1]}").exists():
            with suppress(OSError):
                left.rmdir()  # its mount went with the mount namespace of who made it
    place = views / f"{record.id}-{os.getpid()}"
    place.mkdir(mode=0o700)
    return place
