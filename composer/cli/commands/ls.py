"""``composer ls``: every stack of this host."""

from __future__ import annotations

import json

from composer.cli import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer ls
composer ls -a --format json"""

HEADER = ("NAME", "STATUS", "CONFIG FILES")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``ls``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="stacks without a running container, too")
    add("-q", "--quiet", action="store_true", help="only names")
    add("--format", choices=("table", "json"), default="table", help="a table, or a list of objects")
    add("--filter", action="append", default=[], metavar="name=TEXT", help="only stacks of such a name")


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the stacks."""
    from composer.cli import filters

    wanted = filters.parse(options.filter, {"name"})
    rows = [
        row for row in _rows(session, everything=options.all) if wanted.accept_text("name", str(row["Name"]))
    ]
    if options.quiet:
        for row in rows:
            session.say(str(row["Name"]))
    elif options.format == "json":
        session.say(json.dumps(rows))
    else:
        session.out.write(table.table(HEADER, [tuple(map(str, row.values())) for row in rows]))
    return 0


def _rows(session: Session, *, everything: bool) -> list[Json]:
    if not session.paths.database.exists():
        return []
    from composer.engine import observe, status

    found: list[Json] = []
    for record in session.records().stacks():
        rows = status.rows_of(observe.observe_containers(session.drivers(), record.name))
        states = [str(row["State"]) for row in rows if not row["OneOff"]]
        if everything or "running" in states:
            files = ",".join(record.files)
            found.append({"Name": record.name, "Status": status_of(states), "ConfigFiles": files})
    return found


def status_of(states: list[str]) -> str:
    """``exited(1), running(2)``; a stack without containers has none."""
    return ", ".join(f"{state}({states.count(state)})" for state in sorted(set(states)))
