"""``stats``: what containers use, once or again and again, in Docker's columns.

Two samples make a figure for the processor, so even a single look takes a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from composer.cli import listing, table, terminal
from composer.runtime import cgroups, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session
    from composer.runtime.usage import Usage

INTERVAL = 1.0
"""Seconds between two looks."""

HEADERS = {
    "BlockIO": "BLOCK I/O",
    "CPUPerc": "CPU %",
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "MemPerc": "MEM %",
    "MemUsage": "MEM USAGE / LIMIT",
    "Name": "NAME",
    "NetIO": "NET I/O",
    "PIDs": "PIDS",
}
DEFAULT = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"
_SHORT_ID = 12
_CLEAR = "\x1b[H\x1b[J"


class Target:
    """A container to be looked at; ``pid`` is 0 when it does not run."""

    def __init__(self, container_id: str, name: str, pid: int, cgroup: str) -> None:
        self.id = container_id
        self.name = name
        self.pid = pid
        self.cgroup = cgroup


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of both ``stats``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="containers that do not run, too")
    add("--no-stream", action="store_true", help="show it once and end")
    add("--no-trunc", action="store_true", help="ids in full length")
    add("--format", default="table", metavar="FORMAT", help="table, json, or a template: '{{.Name}}'")


def show(session: Session, options: argparse.Namespace, look: Callable[[], list[Target]]) -> int:
    """Show what ``look`` finds until interrupted, or once."""
    cgroups.hierarchies()
    before: dict[str, Usage] = {}
    targets = look()
    _sample(targets, before)
    redraws = not options.no_stream and terminal.is_terminal(session.out)
    while True:
        time.sleep(INTERVAL)
        targets = look()
        now: dict[str, Usage] = {}
        _sample(targets, now)
        rows = [
            row_of(target, before.get(target.id), now.get(target.id), shortens=not options.no_trunc)
            for target in targets
        ]
        lines = listing.listed(options.format, rows, HEADERS, DEFAULT)
        session.out.write((_CLEAR if redraws else "") + "".join(f"{line}\n" for line in lines))
        session.out.flush()
        if options.no_stream:
            return 0
        before = now


def _sample(targets: list[Target], into: dict[str, Usage]) -> None:
    for target in targets:
        if target.pid:
            into[target.id] = usage.read(target.cgroup, target.pid)


def row_of(target: Target, before: Usage | None, now: Usage | None, *, shortens: bool = True) -> Json:
    """Docker's columns; a container that does not run uses nothing."""
    used = now or usage.Usage()
    share = usage.cpu_share(before, now) if before and now else 0.0
    memory = 100 * used.memory / used.limit if used.limit else 0.0
    identity = target.id[:_SHORT_ID] if shortens else target.id
    return {
        "BlockIO": f"{table.human_size(used.read)} / {table.human_size(used.written)}",
        "CPUPerc": f"{share:.2f}%",
        "Container": identity,
        "ID": identity,
        "MemPerc": f"{memory:.2f}%",
        "MemUsage": f"{table.binary_size(used.memory)} / {table.binary_size(used.limit)}",
        "Name": target.name,
        "NetIO": f"{table.human_size(used.received)} / {table.human_size(used.sent)}",
        "PIDs": str(used.processes),
    }
