"""``composer export``: the file tree of a service's container as a tar."""

from __future__ import annotations

from composer.cli import archiving, arguments, containers, hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer export -o web.tar web
composer export --index 2 web | tar t"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``export``."""
    archiving.add_export_options(parser)
    arguments.add_index(parser)
    parser.add_argument("service", metavar="SERVICE", help="the service")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Write the tar of the service's first container, or of the one that is named."""
    (row,) = containers.members(session.rows(), options.service, options.index)[:1]
    return hand.each(
        session,
        [str(row["ID"])],
        lambda identity: archiving.export(session, hand.find(session, identity), options.output),
    )
