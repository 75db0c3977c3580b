"""``composer network prune``: remove networks that no container uses."""

from __future__ import annotations

from composer.cli import filters, hand
from composer.cli.networkverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer network prune
composer network prune -f --filter until=24h --filter label!=keep"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network prune``."""
    add = parser.add_argument
    add("-f", "--force", action="store_true", help="do not ask")
    add("--filter", action="append", default=[], metavar="KEY=VALUE", help=", ".join(rows.PRUNE_FILTERS))


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask, remove, tell what is gone."""
    import time

    from composer.engine import networks
    from composer.model import moment

    wanted = filters.parse(options.filter, rows.PRUNE_FILTERS)
    until = wanted.moment("until", time.time())
    question = "This will remove all custom networks not used by at least one container."
    if not hand.confirmed(session, question, force=options.force):
        return 0
    drivers = session.drivers()
    latest = "" if until is None else moment.rfc3339(until)
    removed: list[str] = []

    def remove(name: str) -> None:
        drivers.network.remove(name)
        removed.append(name)

    unused = [document["Name"] for document in rows.prunable(networks.documents(drivers), wanted, latest)]
    code = hand.each(session, unused, remove)
    if removed:
        session.say("Deleted Networks:")
        for name in removed:
            session.say(name)
    return code
