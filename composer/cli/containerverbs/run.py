"""``container run|create``: a container of the reserved stack ``default``, described by flags.

Exit codes are Docker's: the process's own; 125 when the container could not be made or started, 126
when its program cannot be run, 127 when there is none.
"""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import hand, naming, request, serviceflags
from composer.cli.commands import run as one_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session
    from composer.supervisor.client import Connection

EXAMPLES = {
    "run": """composer container run --rm -it debian:bookworm-slim bash
composer container run -d --name web -p 8080:80 --restart unless-stopped nginx
composer container run --rm -v "$PWD":/src:ro -w /src python:3 python3 check.py""",
    "create": "composer container create --name db -v data:/var/lib/postgresql/data postgres:16",
}

_STREAMS = ("stdin", "stdout", "stderr")
_UNTOLD = frozenset({"create", "repair"})
"""What goes without saying: networks and volumes.  Pulling and building an image does not."""


_NOT_EXECUTABLE = ("permission denied", "exec format error", "is a directory", "open executable: operation")
"""Words of the runtimes for a program that is there and cannot be run."""


def add_options(parser: argparse.ArgumentParser, verb: str) -> None:
    """The flags of the container, and those of this command."""
    add = parser.add_argument
    add("--name", metavar="NAME", help="name of the container")
    add("--cidfile", metavar="FILE", help="write its id to a file")
    add("-P", "--publish-all", action="store_true", help="publish every port that the image exposes")
    add("--rm", action="store_true", help="remove it when it ended")
    add("-q", "--quiet", action="store_true", help="no progress")
    add("-a", "--attach", action="append", default=[], choices=_STREAMS, help="only these streams")
    if verb == "run":
        add("-d", "--detach", action="store_true", help="do not wait for it")
        add("--sig-proxy", action="store_true", default=True, help="pass signals on (the default)")
        add("--detach-keys", metavar="KEYS", help="leave it running: ctrl-p,ctrl-q")
    serviceflags.add_options(parser)


def execute(session: Session, options: argparse.Namespace, verb: str) -> int:
    """Make it; run it, unless only ``create`` was asked for."""
    try:
        return _execute(session, options, verb)
    except errors.ComposerError as error:
        from composer.cli.main import show_error

        show_error(error, session.err)
        return exit_code_of(error) if verb == "run" else hand.FAILED


def _execute(session: Session, options: argparse.Namespace, verb: str) -> int:
    _check(options, verb)
    name = options.name or naming.free_name(_taken(session))
    stackfile = serviceflags.as_text(serviceflags.stack_of(options, name, os.environ))
    if options.cidfile and os.path.exists(options.cidfile):
        message = f"{options.cidfile} exists: it may be that of another container"
        raise errors.ConflictError(message, hint="Remove it, or name another --cidfile.")
    with session.connect_to(hand.DEFAULT_STACK) as connection:
        identity = _made(session, connection, stackfile, options)
        if verb == "create":
            session.say(identity)
            return 0
        try:
            return _run(session, connection, identity, options)
        except errors.ComposerError:
            if options.rm:
                connection.call("container_remove", {"id": identity, "force": True, "volumes": True})
            raise


def _check(options: argparse.Namespace, verb: str) -> None:
    if options.rm and options.restart not in (None, "", "no"):
        raise errors.UsageError("--rm and --restart exclude each other")
    if verb == "run" and options.detach and options.attach:
        raise errors.UsageError("--detach and --attach exclude each other")


def _taken(session: Session) -> frozenset[str]:
    if not session.paths.database.exists():
        return frozenset()
    return frozenset(record.spec.name for record in session.records().every_container())


def _made(session: Session, connection: Connection, stackfile: str, options: argparse.Namespace) -> str:
    """The id of the new container."""
    arguments: Json = {
        "stackfile": stackfile,
        "directory": os.getcwd(),
        "home": os.environ.get("HOME"),
        "publish_all": options.publish_all,
        "auto_remove": options.rm,
    }
    try:
        if options.quiet:
            made = connection.call("container_create", arguments)
        else:
            made = request.perform(session, connection, "container_create", arguments, untold=_UNTOLD)
    except errors.StackFileError as error:
        raise serviceflags.translated(error) from error
    for warning in made.get("warnings") or ():  # type: ignore[attr-defined]
        session.note(f"warning: {warning}")
    identity = str(made["id"])
    if options.cidfile:
        try:
            with open(options.cidfile, "x", encoding="ascii") as file:
                file.write(identity)
        except OSError as error:
            message = f"cannot write {options.cidfile}: {error.strerror}"
            raise errors.UsageError(message) from error
    return identity


def _run(session: Session, connection: Connection, identity: str, options: argparse.Namespace) -> int:
    if options.detach:
        _start(connection, identity)
        session.say(identity)
        return 0
    from composer.runtime import attach

    made = connection.call("container_prepare", {"id": identity})
    streams = frozenset(options.attach or _STREAMS)
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
