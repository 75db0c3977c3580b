"""``composer kill``: a signal for the first process of each container."""

from __future__ import annotations

from composer.cli import arguments, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer kill
composer kill -s SIGHUP web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``kill``."""
    parser.add_argument("-s", "--signal", default="SIGKILL", metavar="SIGNAL", help="name or number")
    parser.add_argument(
        "--remove-orphans", action=arguments.WithoutEffect, why="orphans are signalled in any case"
    )
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Signal the containers of the services."""
    return lifecycle.change(session, "kill", {"services": options.services, "signal": options.signal})
