"""``composer cp``: files and trees between a service's container and this host."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, containers, copying, hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer cp web:/etc/nginx/nginx.conf .
composer cp --index 2 ./index.html web:/usr/share/nginx/html/
composer cp --all config.json worker:/etc/app/"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``cp``."""
    parser.add_argument(
        "--all", action="store_true", help="into every container of the service, one-offs too"
    )
    arguments.add_index(parser)
    copying.add_options(parser, "SERVICE")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Copy; out of the first container of the service, into it or into all of them."""
    service, goes_in = copying.direction(options)
    if options.all and not goes_in:
        raise errors.UsageError("--all is for copying into containers")
    if options.all and options.source == "-":
        raise errors.UsageError("--all cannot be used with standard input, which can be read once")
    rows = containers.members(session.rows(), service, options.index, one_offs=options.all)
    rows = rows if options.all else rows[:1]
    label = {str(row["ID"]): str(row["Name"]) for row in rows}
    return hand.each(
        session,
        label,
        lambda identity: copying.copy(session, hand.find(session, identity), options, label[identity]),
    )
