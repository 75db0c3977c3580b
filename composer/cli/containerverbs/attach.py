"""``container attach``: the terminal or the streams of a container's first process become ours."""

from __future__ import annotations

from composer.cli import hand, interactive
from composer.cli.commands import attach

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container attach web
composer container attach --no-stdin --sig-proxy=false web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container attach``."""
    attach.add_session_options(parser)
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Attach until the container ends or the detach keys are pressed; the exit code is the container's."""
    interactive.keys_of(options.detach_keys)
    code = 0

    def join(word: str) -> None:
        nonlocal code
        record = hand.find(session, word)
        with session.connect_to(record.spec.stack) as connection:
            code = attach.attached_through(session, connection, record.id, options)

    return hand.each(session, [options.container], join) or code
