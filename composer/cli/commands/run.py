"""``composer run``: a one-off command in a new container of a service, joined to this terminal."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager

from composer import errors
from composer.cli import arguments, request, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from types import FrameType

    from composer.cli.session import Json, Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer run --rm web python3 manage.py shell
composer run --rm -T --no-deps -e DEBUG=1 web env"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    add = parser.add_argument
    add("--rm", action="store_true", help="remove the container when it ended")
    add("--name", metavar="NAME", help="name of the container")
    add("--entrypoint", metavar="COMMAND", help="instead of the image's entrypoint")
    add("--no-deps", action="store_true", help="do not start what the service needs")
    add("--build", action="store_true", help="build the image first, also when it exists")
    arguments.add_pulling(parser)
    arguments.add_process(parser)
    arguments.add_command(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    is_terminal = terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)
    tty = is_terminal and not (options.no_tty or options.detach)
    with session.connect_for_up([options.service]) as connection:
        wanted = request_of(session, options, tty=tty)
        made = request.perform(
            session, connection, "run", wanted, untold=request.untold(quiet_pull=options.quiet_pull)
        )
        identity = str(made["id"])
        if options.detach:
            connection.call("run_start", {"id": identity})
            session.say(str(made["name"]))
            return 0
        try:
            return _attached(session, connection, made, tty=tty)
        finally:
            if options.rm:
                connection.call("remove_one_off", {"id": identity})


def request_of(session: Session, options: argparse.Namespace, *, tty: bool) -> Json:
    """The arguments of the request."""
    command = arguments.command_of(options.command)
    return {
        "source": session.source(),
        "service": options.service,
        "command": command or None,
        "entrypoint": words_of(options.entrypoint),
        "environment": arguments.key_values(options.env),
        "user": options.user,
        "working_dir": options.workdir,
        "no_deps": options.no_deps,
        "tty": tty,
        "stdin": not options.detach,
        "name": options.name,
        "remove": options.rm,
        "build": options.build,
        "pull": options.pull,
    }


def words_of(text: str | None) -> list[str] | None:
    """``--entrypoint`` as words; quotes group as in a shell, nothing is expanded."""
    if text is None:
        return None
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        message = f"--entrypoint {text!r}: {error}"
        raise errors.UsageError(message) from error


def _attached(session: Session, connection: Connection, made: Json, *, tty: bool) -> int:
    """Attach first, then start, so that not a byte is missed; then ask how it ended."""
    from composer.runtime import attach

    identity = str(made["id"])
    sys.stdout.flush()
    with _forwarding_signals(session, identity, is_active=not tty):
        attach.attach(
            str(made["socket"]),
            stdin_fd=sys.stdin.fileno(),
            stdout_fd=sys.stdout.fileno(),
            stderr_fd=sys.stderr.fileno(),
            tty=tty,
            on_ready=lambda: _start(connection, identity),
        )
        codes = connection.call("wait", {"ids": [identity]}).get("exit_codes")
    code = codes.get(identity) if isinstance(codes, dict) else None
    return code if isinstance(code, int) else errors.RuntimeFailure.exit_code


def _start(connection: Connection, identity: str) -> None:
    connection.call("run_start", {"id": identity})


@contextmanager
def _forwarding_signals(session: Session, identity: str, *, is_active: bool) -> Iterator[None]:
    """Without a terminal, pass SIGINT and SIGTERM on to the container; a terminal does that itself."""
    if not is_active:
        yield
        return

    def on_signal(number: int, _frame: FrameType | None) -> None:
        from composer.runtime.driver import OciRuntime

        OciRuntime(session.paths).kill(identity, number)

    former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
