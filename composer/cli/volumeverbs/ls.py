"""``composer volume ls``."""

from __future__ import annotations

from composer.cli import filters, listing
from composer.cli.volumeverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer volume ls
composer volume ls -q --filter dangling=true
composer volume ls --format '{{.Name}}: {{.Mountpoint}}'"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``volume ls``."""
    add = parser.add_argument
    add("-q", "--quiet", action="store_true", help="only names")
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=", ".join(rows.FILTERS))
    add("--format", default="", metavar="FORMAT", help="table, json, or a template: '{{.Name}}'")


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the volumes."""
    wanted = filters.parse(options.filter, rows.FILTERS)
    found = []
    if session.paths.database.exists():
        from composer.engine.inspection import Inspector

        inspector = Inspector(session.drivers())
        users = inspector.users_of_volumes() if rows.needs_users(wanted, options.format) else {}
        found = [
            rows.row_of(document, len(users.get(document["Name"], ())))
            for document in rows.chosen(inspector.volumes(), wanted, users)
        ]
    if options.quiet and not options.format:
        lines = [str(row["Name"]) for row in found]
    else:
        lines = listing.listed(options.format, found, rows.HEADERS, rows.DEFAULT)
    for line in lines:
        session.say(line)
    return 0
