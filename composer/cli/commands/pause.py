"""``composer pause``: freeze every process of containers; nothing in them runs until ``unpause``."""

from __future__ import annotations

from composer.cli import arguments, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer pause
composer pause web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``pause``."""
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Freeze the containers of the services."""
    return lifecycle.change(session, "pause", {"services": options.services})
