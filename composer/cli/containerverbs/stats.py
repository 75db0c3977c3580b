"""``container stats``: processor, memory, network and disks of containers of any stack."""

from __future__ import annotations

from composer.cli import hand, usageview

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.cli.usageview import Target
    from composer.engine.records import ContainerRecord

EXAMPLES = """composer container stats
composer container stats --no-stream web db"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container stats``."""
    usageview.add_options(parser)
    parser.add_argument("containers", nargs="*", metavar="CONTAINER", help="only these containers")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show it."""
    if not session.paths.database.exists():
        for word in options.containers:
            hand.find(session, word)
        return usageview.show(session, options, list)
    runtime = session.drivers().runtime
    records = session.records()
    chosen = [hand.find(session, word).id for word in options.containers]

    def target_of(record: ContainerRecord) -> Target:
        state = runtime.state(record.id)
        pid = state.init.pid if state.is_running and state.init else 0
        return usageview.Target(record.id, record.spec.name, pid, runtime.cgroup_of(record.id))

    def look() -> list[Target]:
        found = [
            target_of(record) for record in records.every_container() if not chosen or record.id in chosen
        ]
        return [target for target in found if target.pid or options.all or chosen]

    return usageview.show(session, options, look)
