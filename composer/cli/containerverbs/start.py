"""``container start``."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, hand, interactive

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container start web db
composer container start -ai shell"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container start``."""
    add = parser.add_argument
    add("-a", "--attach", action="store_true", help="show its output, pass signals on, end as it does")
    add("-i", "--interactive", action="store_true", help="pass input on, too")
    arguments.add_detach_keys(parser)
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Start the containers; each is printed when it is done, unless it is attached to."""
    if not (options.attach or options.interactive):
        return hand.ask_each(session, options.containers, "container_start", {})
    if len(options.containers) > 1:
        raise errors.UsageError("only one container can be attached to at once")
    code = 0

    def start(word: str) -> None:
        nonlocal code
        record = hand.find(session, word)
        with session.connect_to(record.spec.stack) as connection:
            code = interactive.started(
                session,
                connection,
                record.id,
                takes_input=options.interactive,
                detach_keys=options.detach_keys,
            )

    return hand.each(session, options.containers, start) or code
