"""``commit``: an image made of a container's image and what the container changed.

The changes are copied beneath descriptors into a staging directory of the store, which becomes a layer
as a build's does; the container's own settings become the configuration, as with Docker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.engine import changes, rootview
from composer.host import filetree
from composer.host.filetree import Manner, Placer
from composer.model.image import HistoryEntry, ImageConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from composer.engine.changes import Changes
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.container import ContainerSpec
    from composer.model.image import Image


@attrs.frozen(kw_only=True)
class Remarks:
    """What the image says of its making."""

    author: str = ""
    comment: str = ""


def changes_in(drivers: Drivers, record: ContainerRecord) -> Changes:
    """What the container changed; its content is read from the writable layer when it is asked for."""
    with _writable_layer(drivers, record) as upper:
        return _changes(drivers, record, upper)


def commit(
    drivers: Drivers,
    record: ContainerRecord,
    *,
    tags: tuple[str, ...],
    adjust: Callable[[ImageConfig], ImageConfig],
    remarks: Remarks,
) -> Image:
    """Make the image; nothing is recorded before it is whole.  ``adjust`` makes ``--change``'s changes."""
    base = drivers.images.get(record.spec.image_id)
    config = adjust(config_of(record.spec, base.config))  # a wrong change is found before anything is copied
    with drivers.images.lease(), _writable_layer(drivers, record) as upper:
        found = _changes(drivers, record, upper)
        layers = base.layers
        if found.entries:
            staged = drivers.images.staging(f"commit-{record.id[:12]}")
            _copy(found, os.fstat(upper), staged)
            layers = (*layers, drivers.images.add_layer(staged))
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entry = HistoryEntry(
            created=now,
            created_by=" ".join((*(config.entrypoint or ()), *(config.command or ()))),
            is_empty=not found.entries,
            author=remarks.author,
            comment=remarks.comment,
        )
        return drivers.images.add_image(
            config, layers, history=(*base.history, entry), tags=tags, created=now, author=remarks.author
        )


def config_of(spec: ContainerSpec, image: ImageConfig) -> ImageConfig:
    """The container's settings as an image's: its own over those of the image it came from."""
    command = image.command if spec.command is None and spec.entrypoint is None else spec.command
    ports = (f"{port.target}/{port.protocol}" for port in spec.ports)
    return attrs.evolve(
        image,
        environment={**image.environment, **spec.environment},
        entrypoint=image.entrypoint if spec.entrypoint is None else spec.entrypoint,
        command=command,
        working_dir=spec.working_dir or image.working_dir,
        user=image.user if spec.user is None else spec.user,
        exposed_ports=tuple(sorted({*image.exposed_ports, *ports})),
        labels={**image.labels, **spec.labels},
        healthcheck=spec.healthcheck or image.healthcheck,
        stop_signal=spec.stop_signal or image.stop_signal,
    )


@contextmanager
def _writable_layer(drivers: Drivers, record: ContainerRecord) -> Iterator[int]:
    path = drivers.paths.container_data(record.id) / "upper"
    try:
        upper = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        message = f"container {record.spec.name} has no writable layer: {error.strerror}"
        raise errors.StoreDamaged(message) from error
    try:
        yield upper
    finally:
        os.close(upper)


def _changes(drivers: Drivers, record: ContainerRecord, upper: int) -> Changes:
    with rootview.of_image(drivers, record) as root:
        return changes.changes_of(filetree.walk(upper, xattrs=changes.READ_XATTRS), changes.ImageTree(root))


def _copy(found: Changes, like: os.stat_result, staged: Path) -> None:
    """Write the changes below ``staged``, whose own mode and owner are those of the container's root."""
    os.chown(staged, like.st_uid, like.st_gid)
    staged.chmod(like.st_mode & 0o7777)
    root = os.open(staged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        placer = Placer(root, "", Manner(makes_devices=True))
        for entry in found.entries:
            placer.place(entry)
        placer.close()
    finally:
        os.close(root)
