"""``container commit``: an image made of a container."""

from __future__ import annotations

from composer.cli import archiving, hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container commit web mysite:1
composer container commit -a me -m 'with the fix' -c 'CMD ["nginx"]' web mysite:2"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container commit``."""
    archiving.add_commit_options(parser)
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")
    parser.add_argument("name", nargs="?", default="", metavar="NAME[:TAG]", help="name of the image")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it and print its id."""
    return hand.each(
        session,
        [options.container],
        lambda word: archiving.commit(session, hand.find(session, word), options.name, options),
    )
