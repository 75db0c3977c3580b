"""``composer image prune``: remove images that nothing uses."""

from __future__ import annotations

import time

from composer.cli import filters, hand, table
from composer.cli.imageverbs import opening, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.filters import Filters
    from composer.cli.session import Session
    from composer.image.store import Store

EXAMPLES = """composer image prune
composer image prune -a --filter until=240h -f"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image prune``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="also named images that no container uses")
    add("-f", "--force", action="store_true", help="do not ask")
    add("--filter", action="append", default=[], metavar="KEY=VALUE", help=", ".join(rows.PRUNE_FILTERS))


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask, remove, tell what that freed."""
    wanted = filters.parse(options.filter, rows.PRUNE_FILTERS)
    includes_named = options.all or wanted.flag("dangling") is False
    what = "all images without at least one container" if includes_named else "all dangling images"
    if not hand.confirmed(session, f"This will remove {what}.", force=options.force):
        return 0
    lines, freed = prune(opening.open_store(session), wanted, includes_named=includes_named)
    if lines:
        session.say("Deleted Images:")
        for line in lines:
            session.say(line)
        session.say("")
    session.say(f"Total reclaimed space: {table.human_size(freed)}")
    return 0


def prune(store: Store, wanted: Filters, *, includes_named: bool) -> tuple[list[str], int]:
    """Remove unused images; returns Docker's lines and the bytes freed."""
    from composer.cli.filters import Filters
    from composer.image import collection

    others = Filters({key: values for key, values in wanted.values.items() if key != "dangling"})
    lines: list[str] = []
    size_before = store.disk_usage()
    for image in rows.chosen(store.list(), others, store.get, time.time()):
        if (includes_named or rows.is_dangling(image)) and not store.users(image):
            for line in store.remove(image.id, force=True):
                kind, _, rest = line.partition(": ")
                lines.append(f"{kind.lower()}: {rest}")
    collection.collect(store)
    return lines, max(0, size_before - store.disk_usage())
