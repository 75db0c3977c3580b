"""``composer volume inspect``."""

from __future__ import annotations

from composer import errors
from composer.cli import containerrows, hand, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer volume inspect data
composer volume inspect -f '{{.Mountpoint}}' data"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``volume inspect``."""
    add = parser.add_argument
    add("-f", "--format", default="", metavar="TEMPLATE", help="json, or a template: '{{.Mountpoint}}'")
    add("volumes", nargs="+", metavar="VOLUME", help="name of a volume")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show what was found, then what was not."""
    known = {}
    if session.paths.database.exists():
        from composer.engine.inspection import Inspector

        known = {document["Name"]: document for document in Inspector(session.drivers()).volumes()}
    found = []

    def find(name: str) -> None:
        if name not in known:
            message = f"no such volume: {name}"
            raise errors.UsageError(message, hint="See `composer volume ls`.")
        found.append(known[name])

    code = hand.each(session, options.volumes, find)
    for line in listing.inspected(options.format, found, containerrows.opened):
        session.say(line)
    return code
