"""``composer stats``: processor, memory, network and disks of the stack's containers."""

from __future__ import annotations

from composer.cli import arguments, containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.cli.usageview import Target

EXAMPLES = """composer stats
composer stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}' web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``stats``."""
    from composer.cli import usageview

    usageview.add_options(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show it."""
    from composer.cli import usageview
    from composer.runtime.driver import OciRuntime

    containers.check_services(session.rows(), options.services)
    runtime = OciRuntime(session.paths)

    def look() -> list[Target]:
        return [
            usageview.Target(
                str(row["ID"]), str(row["Name"]), int(str(row["Pid"])), runtime.cgroup_of(str(row["ID"]))
            )
            for row in session.rows()
            if (not options.services or row["Service"] in options.services)
            and (options.all or row["State"] in containers.ALIVE)
        ]

    return usageview.show(session, options, look)
