"""``container pause``."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer container pause web"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container pause``."""
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Freeze every process of the containers; each is printed when it is done."""
    return hand.ask_each(session, options.containers, "container_pause", {})
