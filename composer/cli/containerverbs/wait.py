"""``container wait``: until containers ended; their exit codes are the answer."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container wait job"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container wait``."""
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """One line for each, in the order given."""

    def wait(word: str) -> None:
        record = hand.find(session, word)
        with session.connect_to(record.spec.stack) as connection:
            codes = connection.call("wait", {"ids": [record.id]}).get("exit_codes")
        assert isinstance(codes, dict)
        session.say(str(codes[record.id]))
        session.out.flush()

    return hand.each(session, options.containers, wait)
