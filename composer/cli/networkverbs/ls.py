"""``composer network ls``."""

from __future__ import annotations

from composer.cli import filters, listing
from composer.cli.networkverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer network ls
composer network ls -q --filter dangling=true
composer network ls --format '{{.Name}}: {{.Driver}}'"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network ls``."""
    add = parser.add_argument
    add("-q", "--quiet", action="store_true", help="only ids")
    add("--no-trunc", action="store_true", help="whole ids")
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help=", ".join(rows.FILTERS))
    add("--format", default="", metavar="FORMAT", help="table, json, or a template: '{{.Name}}'")


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the networks."""
    from composer.engine import networks

    wanted = filters.parse(options.filter, rows.FILTERS)
    documents = rows.chosen(networks.documents(session.drivers()), wanted)
    found = [rows.row_of(document, is_full=options.no_trunc) for document in documents]
    if options.quiet and not options.format:
        lines = [str(row["ID"]) for row in found]
    else:
        lines = listing.listed(options.format, found, rows.HEADERS, rows.DEFAULT)
    for line in lines:
        session.say(line)
    return 0
