"""``composer network inspect``."""

from __future__ import annotations

from composer.cli import containerrows, hand, listing
from composer.cli.networkverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer network inspect shop_default
composer network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}' shared"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network inspect``."""
    add = parser.add_argument
    add("-f", "--format", default="", metavar="TEMPLATE", help="json, or a template: '{{.Driver}}'")
    add("-v", "--verbose", action="store_true", help="has no effect: there is one host")
    add("networks", nargs="+", metavar="NETWORK", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show what was found, then what was not."""
    from composer.engine import networks

    known = networks.documents(session.drivers())
    found: list[rows.Document] = []
    code = hand.each(
        session, options.networks, lambda word: found.append(rows.shown(networks.meant(known, word)))
    )
    for line in listing.inspected(options.format, found, containerrows.opened):
        session.say(line)
    return code
