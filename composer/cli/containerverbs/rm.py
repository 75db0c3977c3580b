"""``container rm``."""

from __future__ import annotations

from composer import errors
from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = "composer container rm -f -v web"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``rm``."""
    add = parser.add_argument
    add("-f", "--force", action="store_true", help="kill a running container first")
    add("-v", "--volumes", action="store_true", help="remove its anonymous volumes, too")
    add("-l", "--link", action="store_true", help="remove a link; composer keeps none")
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Remove each; one that is not there is no error with ``--force``."""
    if options.link:
        message = "there are no links to remove: containers of one network know each other by name"
        raise errors.UsageError(message)
    arguments: Json = {"force": options.force, "volumes": options.volumes}

    def remove(word: str) -> None:
        try:
            record = hand.find_id(session, word)
        except errors.UsageError as error:
            if not options.force or not error.message.startswith("no such"):
                raise
            session.note(f"warning: {error.message}")
            return
        hand.ask(session, record, "container_remove", arguments)
        session.say(word)

    return hand.each(session, options.containers, remove)
