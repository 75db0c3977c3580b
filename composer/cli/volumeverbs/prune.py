"""``composer volume prune``: remove volumes that no container uses."""

from __future__ import annotations

from composer.cli import filters, hand, table
from composer.cli.volumeverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer volume prune
composer volume prune -a -f --filter label!=keep"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``volume prune``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="named ones, too")
    add("-f", "--force", action="store_true", help="do not ask")
    add("--filter", action="append", default=[], metavar="KEY=VALUE", help=", ".join(rows.PRUNE_FILTERS))


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask, remove, tell what that freed."""
    wanted = filters.parse(options.filter, rows.PRUNE_FILTERS)
    everything = options.all or wanted.flag("all") is True
    what = "all volumes" if everything else "anonymous volumes"
    question = f"This will remove {what} not used by at least one container."
    if not hand.confirmed(session, question, force=options.force):
        return 0
    freed = 0
    removed: list[str] = []
    if session.paths.database.exists():
        from composer.engine.inspection import Inspector, bytes_used
        from composer.engine.volumes import ANONYMOUS

        drivers = session.drivers()
        inspector = Inspector(drivers)
        documents = rows.prunable(
            inspector.volumes(),
            wanted,
            inspector.users_of_volumes(),
            anonymous=ANONYMOUS,
            everything=everything,
        )
        for document in documents:
            freed += bytes_used(drivers.volumes.path(document["Name"]))
            drivers.volumes.remove(document["Name"])
            removed.append(document["Name"])
    if removed:
        session.say("Deleted Volumes:")
        for name in removed:
            session.say(name)
        session.say("")
    session.say(f"Total reclaimed space: {table.human_size(freed)}")
    return 0
