"""``composer rm``: remove containers that do not run."""

from __future__ import annotations

import sys

from composer.cli import arguments, containers, lifecycle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer rm
composer rm -fsv web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``rm``."""
    add = parser.add_argument
    add("-f", "--force", action="store_true", help="do not ask")
    add("-s", "--stop", action="store_true", help="stop the containers first")
    add("-v", "--volumes", action="store_true", help="their anonymous volumes, too")
    arguments.add_timeout(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Remove the containers of the services, after asking."""
    rows = session.rows()
    containers.check_services(rows, options.services)
    doomed = [
        str(row["Name"])
        for row in rows
        if not row.get("OneOff")
        and (not options.services or row["Service"] in options.services)
        and (options.stop or row["State"] not in containers.ALIVE)
    ]
    if not doomed:
        session.note("No stopped containers")
        return 0
    if not (options.force or session.root.dry_run) and not _is_sure(session, doomed):
        return 1
    wanted = {
        "services": options.services,
        "stop": options.stop,
        "volumes": options.volumes,
        "timeout": options.timeout,
    }
    return lifecycle.change(session, "rm", wanted)


def _is_sure(session: Session, names: list[str]) -> bool:
    """The user's answer; without one (no terminal, end of input) it is no."""
    session.err.write(f"? Going to remove {', '.join(names)} [yN] ")
    session.err.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
