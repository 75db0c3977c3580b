"""``composer watch``: act on changes of files as the services' ``develop.watch`` says."""

from __future__ import annotations

from composer.cli import arguments, bringup, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer watch
composer watch --no-up --quiet web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``watch``."""
    add = parser.add_argument
    add("--no-up", action="store_true", help="do not bring the services up first")
    add("--quiet", action="store_true", help="no output of builds")
    add("--prune", action=arguments.WithoutEffect, why="what a rebuild replaces goes with `image prune`")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Bring the services up, then watch until interrupted."""
    from composer.cli import watching

    session.load(options.services)
    watcher = watching.Watcher(session, options.services, quiet=options.quiet)
    if not options.no_up:
        wanted = {
            "source": session.source(),
            "services": options.services,
            "build": True,
            "ignore_orphans": True,
            "parallel": session.root.parallel,
        }
        bringup.perform(session, wanted, untold=request.untold(quiet_build=options.quiet))
    watcher.prepare()
    watcher.run()
    return 0
