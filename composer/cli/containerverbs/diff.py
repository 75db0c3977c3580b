"""``container diff``: what a container changed of its image's files."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container diff web"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container diff``."""
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """``A``dded, ``C``hanged and ``D``eleted paths."""

    def show(word: str) -> None:
        record = hand.find(session, word)

        def act() -> None:
            from composer.engine import commit

            for change in commit.changes_in(session.drivers(), record).changes:
                session.say(str(change))

        hand.while_held(session, record, act)

    return hand.each(session, [options.container], show)
