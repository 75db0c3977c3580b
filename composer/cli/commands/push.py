"""``composer push``: send the images that services build to their registries."""

from __future__ import annotations

from functools import partial

from composer.cli import arguments, request, terminal
from composer.cli.commands import pull

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.engine.supply import ImageSupply
    from composer.model.distribution import Report
    from composer.model.protocols import Interrupt
    from composer.model.stack import Service

EXAMPLES = """composer push
composer push --include-deps web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``push``."""
    add = parser.add_argument
    add("--ignore-push-failures", action="store_true", help="send what can be sent; do not fail")
    add("--include-deps", action="store_true", help="also what the services need")
    add("-q", "--quiet", action="store_true", help="no progress")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Push the images."""
    from composer.cli import transfers

    stack = session.load(options.services).stack
    chosen = pull.chosen_services(stack, options.services, include_dependencies=options.include_deps)
    names = dict.fromkeys(name for service in chosen.values() for name in names_to_push(service))
    if not names:
        request.say_nothing_to_do(session)
        return 0
    supply = session.drivers().supply
    jobs = [transfers.Job("push", name, partial(_push, supply, name)) for name in names]
    transfers.run(session, jobs, is_quiet=options.quiet)
    if options.ignore_push_failures:
        for job in jobs:
            if job.error is not None:
                session.note(f"warning: {terminal.harmless(job.error.message)}")
    else:
        transfers.raise_first(jobs)
    return 0


def names_to_push(service: Service) -> tuple[str, ...]:
    """The image of a service that builds one under a name, and the build's other tags."""
    if service.build is None or service.image is None:
        return ()
    return (service.image, *service.build.tags)


def _push(supply: ImageSupply, name: str, report: Report, interrupt: Interrupt) -> None:
    supply.push(name, report=report, interrupt=interrupt)
