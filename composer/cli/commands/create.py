"""``composer create``: everything that ``up`` makes, but nothing is started."""

from __future__ import annotations

from composer.cli import arguments, bringup, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer create
composer create --build --scale web=3 web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``create``."""
    arguments.add_reconciliation(parser)
    arguments.add_pulling(parser)
    arguments.add_yes(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Create the containers of the services and what they need."""
    arguments.check_reconciliation(options)
    wanted = bringup.request_of(session, options, start=False, pull=options.pull)
    answer = bringup.perform(session, wanted, untold=request.untold(quiet_pull=options.quiet_pull))
    if answer is not None and not answer.get("changed"):
        request.say_nothing_to_do(session)
    return 0
