"""``composer pull``: fetch the images of services."""

from __future__ import annotations

from functools import partial

from composer import errors
from composer.cli import arguments, request, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from composer.cli.session import Session
    from composer.engine.supply import ImageSupply
    from composer.model.distribution import Report
    from composer.model.protocols import Interrupt
    from composer.model.stack import Service, Stack

EXAMPLES = """composer pull
composer pull --ignore-buildable --policy missing
composer pull --include-deps web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``pull``."""
    add = parser.add_argument
    add("--ignore-buildable", action="store_true", help="leave out images that can be built")
    add("--ignore-pull-failures", action="store_true", help="fetch what can be fetched; do not fail")
    add("--include-deps", action="store_true", help="also what the services need")
    add("--policy", choices=("missing", "always"), help="instead of what the file says")
    add("-q", "--quiet", action="store_true", help="no progress")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Pull the images."""
    from composer.cli import transfers

    stack = session.load(options.services).stack
    chosen = chosen_services(stack, options.services, include_dependencies=options.include_deps)
    images = session.drivers().images
    wanted: dict[str, Service] = {}
    for name, service in chosen.items():
        reason = reason_to_skip(
            service,
            is_there=service.image is not None and images.find(service.image) is not None,
            policy=options.policy,
            ignore_buildable=options.ignore_buildable,
        )
        if reason and not options.quiet and session.root.progress != "json":
            session.note(f"{name} skipped: {reason}")
        if not reason and service.image is not None:
            wanted.setdefault(service.image, service)
    if not wanted:
        request.say_nothing_to_do(session)
        return 0
    supply = session.drivers().supply
    jobs = [
        transfers.Job("pull", image, partial(_pull, supply, image, service.platform or ""))
        for image, service in wanted.items()
    ]
    transfers.run(session, jobs, is_quiet=options.quiet)
    failed = []
    for job in jobs:
        if job.error is None:
            continue
        if options.ignore_pull_failures or wanted[job.name].build is not None:
            session.note(f"warning: {terminal.harmless(job.error.message)}")
            if wanted[job.name].build is not None:
                session.note(f"hint: `composer build {wanted[job.name].name}` makes it")
        else:
            failed.append(job)
    transfers.raise_first(failed)
    return 0


def _pull(supply: ImageSupply, image: str, platform: str, report: Report, interrupt: Interrupt) -> None:
    supply.pull(image, platform=platform, report=report, interrupt=interrupt)


def chosen_services(stack: Stack, names: list[str], *, include_dependencies: bool) -> Mapping[str, Service]:
    """The services that are named (all when none is); raises ``UsageError`` for unknown ones."""
    from composer.planner import order

    unknown = [name for name in names if name not in stack.services]
    if unknown:
        message = f"no such service: {', '.join(unknown)}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(stack.services) or 'none'}.")
    chosen = frozenset(names or stack.services)
    if include_dependencies:
        chosen = order.with_dependencies(stack.services, chosen)
    return {name: service for name, service in stack.services.items() if name in chosen}


def reason_to_skip(service: Service, *, is_there: bool, policy: str | None, ignore_buildable: bool) -> str:
    """Why the image of a service is not pulled; "" when it is.

    A policy that is not written means to pull; under ``missing`` the tag ``latest`` is pulled all the
    same (Docker Compose v2.40, ``pkg/compose/pull.go``).
    """
    from composer.model import pulling, reference
    from composer.model.pulling import PullWhen

    if service.image is None:
        return "it has no image, only a build"
    if service.build is not None and ignore_buildable:
        return "its image can be built"
    text = policy or service.pull_policy
    when = pulling.parse(text).when
    if when in (PullWhen.NEVER, PullWhen.BUILD):
        return f"its pull policy is {text}"
    is_latest = reference.parse(service.image).tag == reference.DEFAULT_TAG
    if text and when is PullWhen.MISSING and is_there and not is_latest:
        return "its image is here"
    return ""
