"""``composer ps``: the stack's containers."""

from __future__ import annotations

import json

from composer import errors
from composer.cli import arguments, containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.containers import Row
    from composer.cli.session import Session

EXAMPLES = """composer ps
composer ps -a --format json
composer ps --status exited --format '{{.Name}} {{.ExitCode}}'"""

STATES = ("created", "running", "restarting", "exited", "paused", "removing", "dead")
TABLE = "table"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``ps``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="stopped and one-off containers, too")
    add("-q", "--quiet", action="store_true", help="only ids")
    arguments.add_format(parser)
    add("--services", dest="only_services", action="store_true", help="only names of services")
    add(
        "--status",
        action="append",
        default=[],
        choices=STATES,
        metavar="STATE",
        help=f"only containers in this state: {', '.join(STATES)}",
    )
    add("--filter", action="append", default=[], metavar="status=STATE", help="the same as --status")
    add(
        "--orphans",
        action="store_true",
        default=True,
        help="containers of services not in the file, too: the default; --orphans=false leaves them out",
    )
    add("--no-trunc", action="store_true", help="commands in full length")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the containers."""
    rows = containers.chosen(
        session.rows(),
        services=options.services,
        everything=options.all,
        statuses=(*options.status, *_filtered(options.filter)),
    )
    if not options.orphans:
        known = _services_of_the_file(session)
        rows = [row for row in rows if row["Service"] in known]
    for line in _lines(rows, options):
        session.say(line)
    return 0


def _lines(rows: list[Row], options: argparse.Namespace) -> list[str]:
    if options.quiet:
        return [str(row["ID"]) for row in rows]
    if options.only_services:
        return sorted({str(row["Service"]) for row in rows})
    if options.format == "json":
        return [json.dumps(row, separators=(",", ":"), sort_keys=True) for row in rows]
    if options.format in ("", TABLE):
        return containers.text_of(rows, shortens=not options.no_trunc).splitlines()
    from composer.cli import listing

    values = [containers.formatted(row, shortens=not options.no_trunc) for row in rows]
    return listing.listed(options.format, values, containers.HEADERS, containers.DEFAULT)


def _filtered(texts: list[str]) -> tuple[str, ...]:
    """The states that ``--filter status=STATE`` names."""
    if not texts:
        return ()
    from composer.cli import filters

    states = filters.parse(texts, {"status"}).of("status")
    unknown = [state for state in states if state not in STATES]
    if unknown:
        message = f"unknown state {unknown[0]!r}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(STATES)}.")
    return states


def _services_of_the_file(session: Session) -> frozenset[str]:
    stack = session.load().stack
    return frozenset((*stack.services, *stack.inactive))
