"""The capabilities the engine works with, opened once per process."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from composer.engine.records import Records
from composer.engine.volumes import Volumes
from composer.host.database import Database
from composer.model import pulling

if TYPE_CHECKING:
    from composer.engine.supply import ImageSupply
    from composer.host.paths import Paths
    from composer.image.store import Store
    from composer.model.distribution import Report
    from composer.model.image import Image
    from composer.model.protocols import Builder, BuildNamespace, Interrupt, StepRequest
    from composer.model.pulling import PullPolicy
    from composer.network.driver import LinuxNetwork
    from composer.runtime.driver import OciRuntime


@attrs.frozen(kw_only=True, slots=False)
class Drivers:
    """Everything below the engine.  One per process; safe from several threads."""

    paths: Paths
    database: Database
    records: Records
    images: Store
    volumes: Volumes

    def open(self) -> None:
        """Open runtime and network now, before there are several threads."""
        _ = (self.runtime, self.network)

    @functools.cached_property
    def runtime(self) -> OciRuntime:
        """Containers."""
        from composer.runtime.driver import OciRuntime

        return OciRuntime(self.paths)

    @functools.cached_property
    def network(self) -> LinuxNetwork:
        """Networks; its import costs as much as a whole build that finds everything done."""
        from composer.network.driver import LinuxNetwork

        return LinuxNetwork(self.paths, self.database)

    @functools.cached_property
    def supply(self) -> ImageSupply:
        """Images of the store and of registries."""
        from composer.engine.supply import ImageSupply

        return ImageSupply(self.images)

    @functools.cached_property
    def builder(self) -> Builder:
        """The Dockerfile builder; its 50 ms of import are for those who build."""
        from composer.dockerfile.builder import DockerfileBuilder
        from composer.engine.buildcache import CachingBuilder

        late = _Late(self)
        return CachingBuilder(DockerfileBuilder(self.images, late, late, source=late), self)


class _Late:
    """What builds ask of runtime, network and registries, which are opened when they first ask.

    Builds ask from several threads, so one at a time opens them.
    """

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._lock = threading.Lock()

    def run_step(self, request: StepRequest, say: Callable[[bytes], None], interrupt: Interrupt) -> int:
        """As ``Runtime``."""
        with self._lock:
            runtime = self._drivers.runtime
        return runtime.run_step(request, say, interrupt)

    def build_namespace(self) -> BuildNamespace:
        """As ``Network``."""
        with self._lock:
            network = self._drivers.network
        return network.build_namespace()

    def ensure(
        self,
        name: str,
        policy: PullPolicy = pulling.MISSING,
        *,
        platform: str = "",
        report: Report | None = None,
        interrupt: Interrupt | None = None,
    ) -> Image:
        """As ``ImageSource``."""
        with self._lock:
            supply = self._drivers.supply
        return supply.ensure(name, policy, platform=platform, report=report, interrupt=interrupt)


def open_drivers(paths: Paths, *, is_lazy: bool = False) -> Drivers:
    """Open (and make) the store below ``paths``.

    With ``is_lazy`` runtime and network are opened when somebody asks, which must be one thread.
    """
    from composer.image.store import Store

    paths.make()
    database = Database(paths.database)
    records = Records(database)
    drivers = Drivers(
        paths=paths,
        database=database,
        records=records,
        images=Store(paths, database),
        volumes=Volumes(paths, records),
    )
    if not is_lazy:
        drivers.open()
    return drivers
