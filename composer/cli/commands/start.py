"""``composer start``: existing containers, as they were made."""

from __future__ import annotations

from composer.cli import arguments, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer start
composer start web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``start``."""
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Start the containers of the services."""
    return lifecycle.change(session, "start", {"services": options.services})
