"""``composer ps``: the stack's containers."""

from __future__ import annotations

import json

from composer.cli import arguments, containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer ps
composer ps -a --format json
composer ps --status exited"""

STATES = ("created", "running", "restarting", "exited", "paused", "removing", "dead")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``ps``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="stopped and one-off containers, too")
    add("-q", "--quiet", action="store_true", help="only ids")
    add("--format", choices=("table", "json"), default="table", help="a table, or one object per line")
    add("--services", dest="only_services", action="store_true", help="only names of services")
    add(
        "--status",
        action="append",
        default=[],
        choices=STATES,
        metavar="STATE",
        help=f"only containers in this state: {', '.join(STATES)}",
    )
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the containers."""
    rows = containers.chosen(
        session.rows(), services=options.services, everything=options.all, statuses=options.status
    )
    if options.quiet:
        lines = [str(row["ID"]) for row in rows]
    elif options.only_services:
        lines = sorted({str(row["Service"]) for row in rows})
    elif options.format == "json":
        lines = [json.dumps(row, separators=(",", ":"), sort_keys=True) for row in rows]
    else:
        lines = containers.text_of(rows).splitlines()
    for line in lines:
        session.say(line)
    return 0
