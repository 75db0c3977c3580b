"""``container prune``: remove stopped containers."""

from __future__ import annotations

import time

from composer.cli import containerfilters, filters, hand, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container prune -f
composer container prune --filter until=24h --filter label!=keep"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container prune``."""
    add = parser.add_argument
    add("-f", "--force", action="store_true", help="do not ask")
    add("--filter", action="append", default=[], metavar="KEY=VALUE", help="label, label! or until")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask, remove, tell what that freed."""
    wanted = filters.parse(options.filter, containerfilters.KNOWN_OF_PRUNE)
    if not hand.confirmed(session, "This will remove all stopped containers.", force=options.force):
        return 0
    if not session.paths.database.exists():
        return 0
    from composer.engine.inspection import Inspector

    inspector = Inspector(session.drivers())
    documents = [one.document for one in inspector.every()]
    chosen = containerfilters.prunable(documents, wanted, time.time())
    sizes = {document["Id"]: inspector.sizes(document)[0] for document in chosen}
    removed: list[str] = []

    def remove(identity: str) -> None:
        hand.ask(session, hand.find(session, identity), "container_remove", {})
        removed.append(identity)

    code = hand.each(session, sizes, remove)
    if removed:
        session.say("Deleted Containers:")
        for identity in removed:
            session.say(identity)
        session.say("")
    session.say(f"Total reclaimed space: {table.human_size(sum(sizes[one] for one in removed))}")
    return code
