"""``container restart``."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container restart web"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container restart``."""
    hand.add_grace(parser)
    hand.add_signal(parser)
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Stop and start the containers; each is printed when it is done."""
    return hand.ask_each(
        session,
        options.containers,
        "container_restart",
        {"timeout": options.timeout, "signal": options.signal},
    )
