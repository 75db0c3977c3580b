"""``composer logout``: forget the credentials of a registry."""

from __future__ import annotations

import os

from composer.cli.commands import login

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer logout
composer logout registry.example:5000"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``logout``."""
    parser.add_argument(
        "server", nargs="?", default="docker.io", metavar="SERVER", help="Docker Hub unless given"
    )


def execute(session: Session, options: argparse.Namespace) -> int:
    """Log out; not being logged in is no error."""
    from composer.registry.registry import Registry

    server = login.server_named(options.server)
    was_there = Registry(os.environ).logout(server)
    session.say(f"Removing login credentials for {server}" if was_there else f"Not logged in to {server}")
    return 0
