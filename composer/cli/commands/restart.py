"""``composer restart``: existing containers, as they were made."""

from __future__ import annotations

from composer.cli import arguments, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer restart
composer restart web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``restart``."""
    arguments.add_timeout(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Restart the containers of the services."""
    return lifecycle.change(session, "restart", {"services": options.services, "timeout": options.timeout})
