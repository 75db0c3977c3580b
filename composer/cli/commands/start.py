"""``composer start``: existing containers, as they were made."""

from __future__ import annotations

from composer.cli import arguments, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer start
composer start --wait web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``start``."""
    add = parser.add_argument
    add("--wait", action="store_true", help="until what has a healthcheck is healthy")
    add("--wait-timeout", type=int, metavar="SECONDS", help="how long to wait at most")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Start the containers of the services."""
    wanted = {"services": options.services, "wait": options.wait, "wait_timeout": options.wait_timeout}
    return lifecycle.change(session, "start", wanted)
