"""``composer system prune``: stopped containers, unused networks, images and build cache, in that order.

Each kind frees the next: an image is unused when its last container is gone.
"""

from __future__ import annotations

import time

from composer import errors
from composer.cli import filters, hand, table
from composer.cli.imageverbs import prune as images

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.filters import Filters
    from composer.cli.session import Session
    from composer.engine.drivers import Drivers

EXAMPLES = """composer system prune
composer system prune -a --volumes -f
composer system prune --filter until=48h"""

FILTERS = ("label", "until")
_STOPPED = frozenset({"created", "exited", "dead"})


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``system prune``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="also named images that no container uses")
    add("--volumes", action="store_true", help="also anonymous volumes whose container is gone")
    add("-f", "--force", action="store_true", help="do not ask")
    add("--filter", action="append", default=[], metavar="KEY=VALUE", help=", ".join(FILTERS))


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask, remove, tell what that freed."""
    wanted = filters.parse(options.filter, FILTERS)
    if options.volumes and wanted.of("until"):
        raise errors.UsageError("filter until does not go with --volumes: volumes have no age")
    if not hand.confirmed(session, _warning(options), force=options.force):
        return 0
    drivers = session.drivers()
    freed = 0
    sections = [("Deleted Containers:", *_containers(session, drivers, wanted))]
    sections.append(("Deleted Networks:", _networks(drivers, wanted), 0))
    if options.volumes:
        sections.append(("Deleted Volumes:", *_volumes(drivers, wanted)))
    sections.append(("Deleted Images:", *images.prune(drivers.images, wanted, includes_named=options.all)))
    sections.append(("Deleted build cache objects:", *_cache(drivers, wanted)))
    for title, lines, size in sections:
        freed += size
        if lines:
            session.say(title)
            for line in lines:
                session.say(line)
            session.say("")
    session.say(f"Total reclaimed space: {table.human_size(freed)}")
    return 0


def _warning(options: argparse.Namespace) -> str:
    lines = ["all stopped containers", "all networks not used by at least one container"]
    if options.volumes:
        lines.append("all anonymous volumes not used by at least one container")
    lines.append(
        "all images without at least one container associated to them"
        if options.all
        else "all dangling images"
    )
    lines.append("unused build cache")
    return "This will remove:\n" + "\n".join(f"  - {line}" for line in lines) + "\n"


def _containers(session: Session, drivers: Drivers, wanted: Filters) -> tuple[list[str], int]:
    """Stopped containers, each removed by the supervisor of its stack."""
    from composer.engine.inspection import Inspector, bytes_used

    until = wanted.moment("until", time.time())
    lines: list[str] = []
    freed = 0
    for container in Inspector(drivers).every():
        document = container.document
        record = drivers.records.container(document["Id"])
        if (
            record is None
            or document["State"]["Status"] not in _STOPPED
            or not wanted.accept_labels(record.spec.labels)
            or (until is not None and record.created_at >= until)
        ):
            continue
        size = bytes_used(drivers.paths.container_data(record.id) / "upper")
        hand.ask(session, record, "container_remove", {"force": False, "volumes": False})
        lines.append(record.id)
        freed += size
    return lines, freed


def _networks(drivers: Drivers, wanted: Filters) -> list[str]:
    """Networks of stacks that are down and have no container."""
    if wanted.of("until"):
        return []  # networks do not say when they were made: none is known to be old enough
    removed = []
    for row in drivers.database.rows(
        "SELECT name, stack FROM networks WHERE name NOT IN (SELECT network FROM endpoints)"
        " AND stack NOT IN (SELECT stack FROM containers) ORDER BY name"
    ):
        stack = drivers.records.stack(row["stack"])
        state = drivers.network.observe(row["stack"]).get(row["name"])
        is_idle = stack is None or not stack.is_up
        if is_idle and state is not None and wanted.accept_labels(state.spec.labels):
            drivers.network.remove(row["name"])
            removed.append(row["name"])
    return removed


def _volumes(drivers: Drivers, wanted: Filters) -> tuple[list[str], int]:
    """Anonymous volumes: their names derive from a container, so nothing finds them when it is gone."""
    from composer.engine.inspection import Inspector, bytes_used

    used = {
        mount["Name"]
        for container in Inspector(drivers).every()
        for mount in container.document["Mounts"]
        if mount["Type"] == "volume"
    }
    lines: list[str] = []
    freed = 0
    for name in sorted(drivers.records.volume_names() - used):
        spec = drivers.records.volume(name)
        if name.startswith("anonymous-") and spec is not None and wanted.accept_labels(spec.labels):
            freed += bytes_used(drivers.volumes.path(name))
            drivers.volumes.remove(name)
            lines.append(name)
    return lines, freed


def _cache(drivers: Drivers, wanted: Filters) -> tuple[list[str], int]:
    """The build cache, layers that only it had, downloads, and cache mounts, which know their last use."""
    from composer.dockerfile import remote
    from composer.dockerfile.cachemounts import CacheMounts
    from composer.image import collection

    if wanted.of("label"):
        return [], 0  # nothing of builds has labels
    mounts = CacheMounts(drivers.images.build_state).prune(older_than=wanted.moment("until", time.time()))
    lines = [f"cache mount {one.id}" for one in mounts]
    freed = sum(one.size for one in mounts)
    if wanted:
        return lines, freed  # the rest has no age that means anything
    freed += remote.prune_downloads(drivers.images.build_state)
    collected = collection.collect(drivers.images, keeps_cache=False)
    lines += [layer.removeprefix("sha256:") for layer in collected.layers]
    return lines, freed + collected.freed
