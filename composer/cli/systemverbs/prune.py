"""``composer system prune``: stopped containers, unused networks, images and build cache, in that order.

Each kind frees the next: an image is unused when its last container is gone.
"""

from __future__ import annotations

import time

from composer import errors
from composer.cli import containerfilters, filters, hand, table
from composer.cli.imageverbs import prune as images
from composer.cli.networkverbs import rows as networkrows
from composer.cli.volumeverbs import rows as volumerows

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
    from composer.engine.inspection import Inspector

    inspector = Inspector(drivers)
    documents = [one.document for one in inspector.every()]
    chosen = containerfilters.prunable(documents, wanted, time.time())
    freed = sum(inspector.sizes(document)[0] for document in chosen)
    for document in chosen:
        hand.ask(session, hand.find(session, document["Id"]), "container_remove", {})
    return [document["Id"] for document in chosen], freed


def _networks(drivers: Drivers, wanted: Filters) -> list[str]:
    """Networks without a container."""
    from composer.engine import networks
    from composer.model import moment

    until = wanted.moment("until", time.time())
    latest = "" if until is None else moment.rfc3339(until)
    names = [one["Name"] for one in networkrows.prunable(networks.documents(drivers), wanted, latest)]
    for name in names:
        drivers.network.remove(name)
    return names


def _volumes(drivers: Drivers, wanted: Filters) -> tuple[list[str], int]:
    """Anonymous volumes without a container."""
    from composer.engine.inspection import Inspector, bytes_used
    from composer.engine.volumes import ANONYMOUS

    inspector = Inspector(drivers)
    users = inspector.users_of_volumes()
    documents = volumerows.prunable(inspector.volumes(), wanted, users, anonymous=ANONYMOUS, everything=False)
    names = [one["Name"] for one in documents]
    freed = sum(bytes_used(drivers.volumes.path(name)) for name in names)
    for name in names:
        drivers.volumes.remove(name)
    return names, freed


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
