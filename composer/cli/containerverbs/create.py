"""``container create``: as ``run``, but nothing runs yet."""

from __future__ import annotations

from composer.cli import hand
from composer.cli.containerverbs import making

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container create --name db -v data:/var/lib/postgresql/data postgres:16"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The flags of the container."""
    making.add_options(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it and print its id."""

    def make(_image: str) -> None:
        with session.connect_to(hand.DEFAULT_STACK) as connection:
            session.say(making.made(session, connection, options))

    return hand.each(session, [options.image], make)
