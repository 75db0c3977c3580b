"""``container stop``."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container stop -t 30 web db"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container stop``."""
    hand.add_grace(parser)
    hand.add_signal(parser)
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Stop the containers; each is printed when it is done."""
    return hand.ask_each(
        session, options.containers, "container_stop", {"timeout": options.timeout, "signal": options.signal}
    )
