"""``composer exec``: a further process in a running container.

The OCI runtime is executed in place of this process: the terminal, signals and the exit code are
its own business and nothing of ours stands between.
"""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import arguments, containers, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import NoReturn

    from composer.cli.session import Session

EXAMPLES = """composer exec web sh
composer exec -T db pg_dump guestbook > dump.sql"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``exec``."""
    arguments.add_process(parser)
    parser.add_argument("--index", type=int, default=0, metavar="N", help="which container of the service")
    arguments.add_command(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Become the process."""
    command = arguments.command_of(options.command)
    if not command:
        raise errors.UsageError("exec needs a command", hint="As in `composer exec web sh`.")
    row = containers.running_container(session.rows(), options.service, options.index)

    from composer.host import mounts
    from composer.model.protocols import ExecRequest
    from composer.runtime.driver import OciRuntime

    is_terminal = terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)
    mounts.enter_private_namespace()
    argv = OciRuntime(session.paths).execute_arguments(
        str(row["ID"]),
        ExecRequest(
            argv=tuple(command),
            environment=arguments.key_values(options.env),
            user=options.user,
            working_dir=options.workdir,
            tty=is_terminal and not (options.no_tty or options.detach),
        ),
    )
    if options.detach:
        return _spawn(argv)
    sys.stdout.flush()
    return _become(argv)


def _become(argv: tuple[str, ...]) -> NoReturn:
    from composer.host import process

    try:
        os.execve(argv[0], list(argv), process.ENVIRONMENT)
    except OSError as error:
        message = f"cannot run {argv[0]}: {error.strerror}"
        raise errors.RuntimeFailure(message) from error


def _spawn(argv: tuple[str, ...]) -> int:
    """Start the process in a session of its own and leave it."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            _become(argv)
        finally:
            os._exit(127)
    return 0
