"""``container export``: a container's file tree as a tar."""

from __future__ import annotations

from composer.cli import archiving, hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container export -o web.tar web
composer container export web | tar t"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container export``."""
    archiving.add_export_options(parser)
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Write the tar."""
    return hand.each(
        session,
        [options.container],
        lambda word: archiving.export(session, hand.find(session, word), options.output),
    )
