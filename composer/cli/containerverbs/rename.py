"""``container rename``."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container rename web web-old"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container rename``."""
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")
    parser.add_argument("name", metavar="NAME", help="its new name")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Rename it; from now on the network knows it by that name."""

    def rename(word: str) -> None:
        hand.ask(session, hand.find_id(session, word), "container_rename", {"name": options.name})

    return hand.each(session, [options.container], rename)
