"""``container run``: a container of the reserved stack ``default``, described by flags.

Exit codes are Docker's: the process's own; 125 when the container could not be made or started, 126
when its program cannot be run, 127 when there is none.
"""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import hand
from composer.cli.commands import run as one_off
from composer.cli.containerverbs import making

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer container run --rm -it debian:bookworm-slim bash
composer container run -d --name web -p 8080:80 --restart unless-stopped nginx
composer container run --rm -v "$PWD":/src:ro -w /src python:3 python3 check.py"""

_NOT_EXECUTABLE = ("permission denied", "exec format error", "is a directory", "open executable: operation")
"""Words of the runtimes for a program that is there and cannot be run."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The flags of the container, and those of this command."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not wait for it")
    add("--sig-proxy", action="store_true", default=True, help="pass signals on (the default)")
    add("--detach-keys", metavar="KEYS", help="leave it running: ctrl-p,ctrl-q")
    making.add_options(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it, run it, and end as it does."""
    try:
        if options.detach and options.attach:
            raise errors.UsageError("--detach and --attach exclude each other")
        with session.connect_to(hand.DEFAULT_STACK) as connection:
            identity = making.made(session, connection, options)
            try:
                return _run(session, connection, identity, options)
            except errors.ComposerError:
                if options.rm:
                    connection.call("container_remove", {"id": identity, "force": True, "volumes": True})
                raise
    except errors.ComposerError as error:
        from composer.cli.main import show_error

        show_error(error, session.err)
        return exit_code_of(error)


def _run(session: Session, connection: Connection, identity: str, options: argparse.Namespace) -> int:
    if options.detach:
        _start(connection, identity)
        session.say(identity)
        return 0
    from composer.runtime import attach

    made = connection.call("container_prepare", {"id": identity})
    streams = frozenset(options.attach or making.STREAMS)
    is_tty = bool(made.get("tty"))
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    sys.stdout.flush()
    with one_off._forwarding_signals(session, identity, is_active=options.sig_proxy and not is_tty):
        attach.attach(
            str(made["socket"]),
            stdin_fd=sys.stdin.fileno() if made.get("stdin") and "stdin" in streams else None,
            stdout_fd=sys.stdout.fileno() if "stdout" in streams else null,
            stderr_fd=sys.stderr.fileno() if "stderr" in streams else null,
            tty=is_tty,
            on_ready=lambda: _start(connection, identity),
        )
        codes = connection.call("wait", {"ids": [identity]}).get("exit_codes")
    code = codes.get(identity) if isinstance(codes, dict) else None
    return code if isinstance(code, int) else hand.NOT_RUN


def _start(connection: Connection, identity: str) -> None:
    connection.call("container_start", {"id": identity})


def exit_code_of(error: errors.ComposerError) -> int:
    """125, but 127 when the program is not there and 126 when it is none."""
    if isinstance(error, errors.RuntimeFailure):
        text = error.message.lower()
        if any(words in text for words in _NOT_EXECUTABLE):
            return 126
        if "executable file" in text or "no such file or directory" in text:
            return 127
    return hand.NOT_RUN
