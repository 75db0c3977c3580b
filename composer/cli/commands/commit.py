"""``composer commit``: an image made of a service's container."""

from __future__ import annotations

from composer.cli import archiving, arguments, containers, hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer commit web mysite:1
composer commit --index 2 -m 'with the fix' web mysite:2"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``commit``."""
    archiving.add_commit_options(parser)
    arguments.add_index(parser)
    parser.add_argument("service", metavar="SERVICE", help="the service")
    parser.add_argument("name", nargs="?", default="", metavar="NAME[:TAG]", help="name of the image")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it of the service's first container, or of the one that is named."""
    (row,) = containers.members(session.rows(), options.service, options.index)[:1]
    return hand.each(
        session,
        [str(row["ID"])],
        lambda identity: archiving.commit(session, hand.find(session, identity), options.name, options),
    )
