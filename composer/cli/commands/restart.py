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
    parser.add_argument("--no-deps", action="store_true", help="leave services that would follow alone")
    arguments.add_timeout(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Restart the containers of the services."""
    wanted = {"services": options.services, "timeout": options.timeout, "no_deps": options.no_deps}
    return lifecycle.change(session, "restart", wanted)
