"""The capabilities the engine works with, opened once per process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs

from composer.engine.records import Records
from composer.engine.volumes import Volumes
from composer.host.database import Database

if TYPE_CHECKING:
    from composer.engine.supply import ImageSupply
    from composer.host.paths import Paths
    from composer.image.store import Store
    from composer.model.protocols import Builder
    from composer.network.driver import LinuxNetwork
    from composer.runtime.driver import OciRuntime


@attrs.frozen(kw_only=True, slots=False)
class Drivers:
    """Everything below the engine.  One per process; safe from several threads."""

    paths: Paths
    database: Database
    records: Records
    images: Store
    runtime: OciRuntime
    network: LinuxNetwork
    volumes: Volumes

    @functools.cached_property
    def supply(self) -> ImageSupply:
        """Images of the store and of registries."""
        from composer.engine.supply import ImageSupply

        return ImageSupply(self.images)

    @functools.cached_property
    def builder(self) -> Builder:
        """The Dockerfile builder; its 50 ms of import are for those who build."""
        from composer.dockerfile.builder import DockerfileBuilder

        return DockerfileBuilder(self.images, self.runtime, self.network, source=self.supply)


def open_drivers(paths: Paths) -> Drivers:
    """Open (and make) the store below ``paths``; imports the drivers only now."""
    from composer.image.store import Store
    from composer.network.driver import LinuxNetwork
    from composer.runtime.driver import OciRuntime

    paths.make()
    database = Database(paths.database)
    records = Records(database)
    images = Store(paths, database)
    runtime = OciRuntime(paths)
    network = LinuxNetwork(paths, database)
    return Drivers(
        paths=paths,
        database=database,
        records=records,
        images=images,
        runtime=runtime,
        network=network,
        volumes=Volumes(paths, records),
    )
