"""``composer unpause``: let the processes of paused containers go on."""

from __future__ import annotations

from composer.cli import arguments, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer unpause
composer unpause web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``unpause``."""
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Let go on the containers of the services."""
    return lifecycle.change(session, "unpause", {"services": options.services})
