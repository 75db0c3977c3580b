"""``container top``: the processes of one container, as the host numbers them."""

from __future__ import annotations

from composer import errors
from composer.cli import hand, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container top web
composer container top web -o pid,rss,args"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container top``."""
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")
    parser.add_argument("ps", nargs="...", metavar="PS-OPTIONS", help="what ps(1) is to show")


def execute(session: Session, options: argparse.Namespace) -> int:
    """List them; options are those of the host's ``ps``, which must show a PID column."""
    from composer.host import processtable
    from composer.runtime import cgroups

    record = hand.find(session, options.container)
    runtime = session.drivers().runtime
    if not runtime.state(record.id).is_running:
        message = f"container {record.spec.name} is not running"
        raise errors.OperationFailed(message)
    pids = cgroups.processes_below(runtime.cgroup_of(record.id))
    if options.ps:
        session.out.write(chosen_of(_ps(options.ps), pids))
    else:
        session.out.write(table.table(processtable.TITLES, processtable.rows_of(pids)))
    return 0


def _ps(options: list[str]) -> str:
    from composer.host import process

    done = process.run(["ps", *options])
    if done.exit_code != 0:
        message = f"ps: {done.said or done.exit_code}"
        raise errors.UsageError(message, hint="See ps(1).")
    return done.output.decode("utf-8", errors="replace")


def chosen_of(listed: str, pids: frozenset[int]) -> str:
    """The heading and the lines of the processes; raises ``UsageError`` where there is no column PID."""
    heading, *lines = listed.splitlines()
    titles = heading.split()
    if "PID" not in titles:
        raise errors.UsageError("the list of ps has no column PID", hint="Add pid to its options.")
    column = titles.index("PID")
    kept = [line for line in lines if (words := line.split())[column:] and words[column] in map(str, pids)]
    return "".join(f"{line}\n" for line in (heading, *kept))
