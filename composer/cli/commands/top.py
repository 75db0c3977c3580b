"""``composer top``: the processes of the stack's containers, as the host numbers them."""

from __future__ import annotations

from composer.cli import arguments, containers, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer top
composer top web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``top``."""
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """One table for all containers."""
    from composer.host import processtable
    from composer.runtime import cgroups
    from composer.runtime.driver import OciRuntime

    rows = session.rows()
    containers.check_services(rows, options.services)
    runtime = OciRuntime(session.paths)
    lines = [
        (str(row["Service"]), containers.number_of(row), *process)
        for row in rows
        if row["State"] in containers.ALIVE and (not options.services or row["Service"] in options.services)
        for process in processtable.rows_of(cgroups.processes_below(runtime.cgroup_of(str(row["ID"]))))
    ]
    session.out.write(table.table(("SERVICE", "#", *processtable.TITLES), lines))
    return 0
