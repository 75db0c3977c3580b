"""How much room everything takes, and how much of it could be had back: ``system df``.

Shared layers count once.  A layer can be had back when every image that has it is used by no
container; archives of layers (blobs) go with their image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from composer.dockerfile.cachemounts import CacheMounts
from composer.engine.inspection import Inspector, bytes_used
from composer.model.image import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.drivers import Drivers
    from composer.engine.inspection import Inspected


@attrs.frozen(kw_only=True)
class ImageUse:
    """An image, how much of it others have too, how much is its own alone, and its containers."""

    image: Image
    shared: int
    unique: int
    containers: int


@attrs.frozen(kw_only=True)
class ContainerUse:
    """A container and the bytes of its writable layer."""

    container: Inspected
    size: int

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return bool(self.container.document["State"]["Running"])


@attrs.frozen(kw_only=True)
class VolumeUse:
    """A volume, its bytes and how many containers mount it."""

    name: str
    size: int
    links: int


@attrs.frozen(kw_only=True)
class CacheUse:
    """A layer that the build cache has, and whether an image has it too; or the id of a cache mount."""

    layer: str
    size: int
    is_shared: bool


@attrs.frozen(kw_only=True)
class Total:
    """One line of the summary; sizes in bytes."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


@attrs.frozen(kw_only=True)
class Usage:
    """Everything, one by one."""

    images: Sequence[ImageUse]
    containers: Sequence[ContainerUse]
    volumes: Sequence[VolumeUse]
    cache: Sequence[CacheUse]
    layers: Mapping[str, int]
    archives: int

    def totals(self) -> tuple[Total, ...]:
        """The summary: images, containers, volumes, build cache."""
        in_use = {layer for one in self.images if one.containers for layer in one.image.layers}
        every = {layer for one in self.images for layer in one.image.layers}
        size = sum(self.layers.get(layer, 0) for layer in every)
        idle = sum(self.layers.get(layer, 0) for layer in every - in_use)
        return (
            Total(
                kind="Images",
                total=len(self.images),
                active=sum(bool(one.containers) for one in self.images),
                size=size + self.archives,
                reclaimable=idle + (self.archives if not in_use else 0),
            ),
            Total(
                kind="Containers",
                total=len(self.containers),
                active=sum(one.is_running for one in self.containers),
                size=sum(one.size for one in self.containers),
                reclaimable=sum(one.size for one in self.containers if not one.is_running),
            ),
            Total(
                kind="Local Volumes",
                total=len(self.volumes),
                active=sum(bool(one.links) for one in self.volumes),
                size=sum(one.size for one in self.volumes),
                reclaimable=sum(one.size for one in self.volumes if not one.links),
            ),
            Total(
                kind="Build Cache",
                total=len(self.cache),
                active=sum(one.is_shared for one in self.cache),
                size=sum(one.size for one in self.cache if not one.is_shared),
                reclaimable=sum(one.size for one in self.cache if not one.is_shared),
            ),
        )


def measure(drivers: Drivers) -> Usage:
    """Look at everything once."""
    inspector = Inspector(drivers)
    containers = inspector.every()
    images = drivers.images.list()
    layers = drivers.images.every_layer_size()
    users: dict[str, int] = {}
    for container in containers:
        users[container.document["Image"]] = users.get(container.document["Image"], 0) + 1
    owners: dict[str, int] = {}
    for image in images:
        for layer in set(image.layers):
            owners[layer] = owners.get(layer, 0) + 1
    links = {name: len(found) for name, found in inspector.users_of_volumes().items()}
    return Usage(
        images=[
            ImageUse(
                image=image,
                shared=sum(layers.get(layer, 0) for layer in set(image.layers) if owners[layer] > 1),
                unique=sum(layers.get(layer, 0) for layer in set(image.layers) if owners[layer] == 1),
                containers=users.get(image.id, 0),
            )
            for image in images
        ],
        containers=[
            ContainerUse(
                container=container,
                size=bytes_used(drivers.paths.container_data(container.document["Id"]) / "upper"),
            )
            for container in containers
        ],
        volumes=[
            VolumeUse(name=name, size=bytes_used(drivers.volumes.path(name)), links=links.get(name, 0))
            for name in sorted(drivers.records.volume_names())
        ],
        cache=[
            CacheUse(layer=layer, size=layers.get(layer, 0), is_shared=layer in owners)
            for layer in drivers.images.cached_layers()
        ]
        + [
            CacheUse(layer=record.id, size=record.size, is_shared=False)
            for record in CacheMounts(drivers.images.build_state).records()
        ],
        layers=layers,
        archives=drivers.images.archives_size(),
    )
