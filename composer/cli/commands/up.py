"""``composer up``: make the stack what its file says, then show its output unless detached."""

from __future__ import annotations

import time

from composer import errors
from composer.cli import arguments, containers, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer up -d --wait
composer up --build web
composer up --abort-on-container-exit --exit-code-from tests"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``up``."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not show the output of containers")
    add("--wait", action="store_true", help="until services are running or healthy; implies --detach")
    add("--wait-timeout", type=int, metavar="SECONDS", help="how long to wait at most")
    arguments.add_reconciliation(parser)
    add("--abort-on-container-exit", action="store_true", help="stop everything when a container ends")
    add("--exit-code-from", metavar="SERVICE", help="end with its exit code; implies the above")
    arguments.add_timeout(parser)
    arguments.add_log_style(parser)
    add("--timestamps", action="store_true", help="show when each line was written")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Bring the stack up."""
    aborts = bool(options.abort_on_container_exit or options.exit_code_from)
    if aborts and (options.detach or options.wait):
        message = "--abort-on-container-exit and --exit-code-from cannot be used with --detach or --wait"
        raise errors.UsageError(message)
    began = time.time()
    is_detached = options.detach or options.wait
    with session.connect_for_up(options.services) as connection:
        answer = request.perform(
            session, connection, "up", request_of(session, options, wants_rows=not is_detached)
        )
    for warning in _warnings_in(answer):
        session.note(f"warning: {warning}")
    if is_detached:
        if not answer.get("changed"):
            request.say_nothing_to_do(session)
        return 0
    return _stay(session, options, began=began, aborts=aborts, answer=answer)


def request_of(session: Session, options: argparse.Namespace, *, wants_rows: bool) -> Json:
    """The arguments of the request."""
    return {
        "source": session.source(),
        "services": options.services,
        "build": options.build,
        "force_recreate": options.force_recreate,
        "no_deps": options.no_deps,
        "scale": dict(options.scale),
        "remove_orphans": options.remove_orphans,
        "timeout": options.timeout,
        "wait": options.wait,
        "wait_timeout": options.wait_timeout,
        "start": True,
        "rows": wants_rows,
    }


def _warnings_in(answer: Json) -> list[str]:
    warnings = answer.get("warnings")
    return [str(warning) for warning in warnings] if isinstance(warnings, list) else []


def _stay(session: Session, options: argparse.Namespace, *, began: float, aborts: bool, answer: Json) -> int:
    """Show output until the stack ends."""
    from composer.cli import foreground, logview
    from composer.cli.commands.logs import style_of

    services = list(options.services)
    if options.exit_code_from and services and options.exit_code_from not in services:
        services.append(options.exit_code_from)
    names = sorted(
        containers.label_of(row)
        for row in containers.rows_in(answer)
        if not row.get("OneOff") and (not services or row["Service"] in services)
    )
    session.note(f"Attaching to {', '.join(names)}")
    view = logview.LogView(session.out, style_of(session, options), session.paths.data, services=services)
    attached = foreground.Foreground(
        session,
        view,
        services=services,
        timeout=options.timeout,
        since=began,
        aborts=aborts,
        exit_code_from=options.exit_code_from,
        completing=_completing(session, services) if aborts else (),
    )
    return attached.run()


def _completing(session: Session, services: list[str]) -> frozenset[str]:
    """Services that another one waits for to complete: their end with 0 is no reason to stop."""
    from composer.model.stack import Condition

    return frozenset(
        name
        for service in session.load(services).stack.services.values()
        for name, dependency in service.depends_on.items()
        if dependency.condition is Condition.COMPLETED
    )
