"""``composer up``: make the stack what its file says, then show its output unless detached."""

from __future__ import annotations

import threading
import time

from composer import errors
from composer.cli import arguments, bringup, containers, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.following import Interruption
    from composer.cli.session import Json, Session
    from composer.cli.watching import Watcher

EXAMPLES = """composer up -d --wait
composer up --build web
composer up --watch web
composer up --abort-on-container-exit --exit-code-from tests"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``up``."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not show the output of containers")
    add("--wait", action="store_true", help="until services are running or healthy; implies --detach")
    add("--wait-timeout", type=int, metavar="SECONDS", help="how long to wait at most")
    add("--no-start", action="store_true", help="create, but start nothing")
    arguments.add_reconciliation(parser)
    arguments.add_pulling(parser)
    add("--quiet-build", action="store_true", help="no output of builds")
    add(
        "-V",
        "--renew-anon-volumes",
        action="store_true",
        help="give containers that are made again fresh anonymous volumes",
    )
    add("--abort-on-container-exit", action="store_true", help="stop everything when a container ends")
    add("--abort-on-container-failure", action="store_true", help="stop everything when a container fails")
    add(
        "--exit-code-from",
        metavar="SERVICE",
        help="end with its exit code; implies --abort-on-container-exit",
    )
    add("--attach", action="append", default=[], metavar="SERVICE", help="show only the output of these")
    add("--no-attach", action="append", default=[], metavar="SERVICE", help="do not show its output")
    add("--attach-dependencies", action="store_true", help="show the output of what the services need, too")
    arguments.add_timeout(parser)
    arguments.add_log_style(parser)
    add("--timestamps", action="store_true", help="show when each line was written")
    add("-w", "--watch", action="store_true", help="act on changes of files as develop.watch says, too")
    add("--menu", action=arguments.WithoutEffect, why="keys do nothing while output is shown, but Ctrl-C")
    arguments.add_yes(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Bring the stack up."""
    check(options)
    began = time.time()
    if options.detach or options.wait or options.no_start:
        answer = _perform(session, options, wants_rows=False)
        if answer is not None and not answer.get("changed"):
            request.say_nothing_to_do(session)
        return 0
    from composer.cli import following

    interruption = following.Interruption(following.Bell())
    # From the first moment on: a Ctrl-C between the request and its output must stop the stack, too.
    with interruption.listening():
        watcher = _watcher(session, options) if options.watch and not session.root.dry_run else None
        answer = _perform(session, options, wants_rows=True)
        if watcher is not None:
            watcher.prepare()
            threading.Thread(target=watcher.run, daemon=True, name="watch").start()
        return 0 if answer is None else _stay(session, options, interruption, began=began, answer=answer)


def _watcher(session: Session, options: argparse.Namespace) -> Watcher:
    """With a session of its own: it works in another thread."""
    from composer.cli import watching
    from composer.cli.session import Session

    return watching.Watcher(Session(session.root), options.services, quiet=options.quiet_build)


def _perform(session: Session, options: argparse.Namespace, *, wants_rows: bool) -> Json | None:
    wanted = request_of(session, options, wants_rows=wants_rows)
    untold = request.untold(quiet_pull=options.quiet_pull, quiet_build=options.quiet_build)
    return bringup.perform(session, wanted, untold=untold)


def check(options: argparse.Namespace) -> None:
    """Raise ``UsageError`` for what excludes each other, as Docker Compose does."""
    arguments.check_reconciliation(options)
    if _aborts(options) and (options.detach or options.wait):
        message = (
            "--abort-on-container-exit, --abort-on-container-failure and --exit-code-from "
            "cannot be used with --detach or --wait"
        )
        raise errors.UsageError(message)
    if options.watch and (options.detach or options.wait or options.no_start):
        raise errors.UsageError("--watch cannot be combined with --detach, --wait or --no-start")
    if options.attach and options.attach_dependencies:
        raise errors.UsageError("--attach and --attach-dependencies are incompatible")
    if options.detach and (options.attach or options.attach_dependencies):
        raise errors.UsageError("--detach cannot be combined with --attach or --attach-dependencies")
    if options.abort_on_container_exit and options.abort_on_container_failure:
        message = "--abort-on-container-exit and --abort-on-container-failure are incompatible"
        raise errors.UsageError(message)


def _aborts(options: argparse.Namespace) -> str:
    """Which end of a container ends the stack: ``exit``, ``failure``, or "" for none."""
    if options.abort_on_container_failure:
        return "failure"
    return "exit" if options.abort_on_container_exit or options.exit_code_from else ""


def request_of(session: Session, options: argparse.Namespace, *, wants_rows: bool) -> Json:
    """The arguments of the request."""
    return bringup.request_of(
        session,
        options,
        timeout=options.timeout,
        wait=options.wait,
        wait_timeout=options.wait_timeout,
        start=not options.no_start,
        pull=options.pull,
        renew_volumes=options.renew_anon_volumes,
        rows=wants_rows,
        attach=options.attach,
        no_attach=options.no_attach,
        attach_dependencies=options.attach_dependencies,
    )


def _stay(
    session: Session, options: argparse.Namespace, interruption: Interruption, *, began: float, answer: Json
) -> int:
    """Show output until the stack ends."""
    from composer.cli import foreground, logview
    from composer.cli.commands.logs import style_of

    shown = answer.get("attached")
    shown = [str(name) for name in shown] if isinstance(shown, list) else list(options.services)
    aborts = _aborts(options)
    watched = list(options.services)
    if options.exit_code_from and watched and options.exit_code_from not in watched:
        watched.append(options.exit_code_from)
    names = sorted(
        containers.label_of(row)
        for row in containers.rows_in(answer)
        if not row.get("OneOff") and (not shown or row["Service"] in shown)
    )
    session.note(f"Attaching to {', '.join(names)}")
    style = style_of(session, options)
    view = logview.LogView(session.out, style, session.paths.data, services=shown, rings=True)
    attached = foreground.Foreground(
        session,
        view,
        interruption,
        services=watched,
        timeout=options.timeout,
        since=began,
        aborts=aborts,
        exit_code_from=options.exit_code_from,
        completing=_completing(session, watched) if aborts else (),
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
