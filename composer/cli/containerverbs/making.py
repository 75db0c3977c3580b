"""What ``container run`` and ``create`` have in common: a new container, from flags."""

from __future__ import annotations

import os

from composer import errors
from composer.cli import naming, request, serviceflags

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session
    from composer.supervisor.client import Connection

STREAMS = ("stdin", "stdout", "stderr")

_UNTOLD = frozenset({"create", "repair"})
"""What goes without saying: networks and volumes.  Pulling and building an image does not."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The flags of the container, and how it is made."""
    add = parser.add_argument
    add("--name", metavar="NAME", help="name of the container")
    add("--cidfile", metavar="FILE", help="write its id to a file")
    add("-P", "--publish-all", action="store_true", help="publish every port that the image exposes")
    add("--rm", action="store_true", help="remove it when it ended")
    add("-q", "--quiet", action="store_true", help="no progress")
    add("-a", "--attach", action="append", default=[], choices=STREAMS, help="only these streams")
    serviceflags.add_options(parser)


def made(session: Session, connection: Connection, options: argparse.Namespace) -> str:
    """Make the container; returns its id.  Raises ``UsageError`` in words of the flags."""
    if options.rm and options.restart not in (None, "", "no"):
        raise errors.UsageError("--rm and --restart exclude each other")
    name = options.name or naming.free_name(_taken(session))
    stackfile = serviceflags.as_text(serviceflags.stack_of(options, name, os.environ))
    if options.cidfile and os.path.exists(options.cidfile):
        message = f"{options.cidfile} exists: it may be that of another container"
        raise errors.ConflictError(message, hint="Remove it, or name another --cidfile.")
    arguments: Json = {
        "stackfile": stackfile,
        "directory": os.getcwd(),
        "home": os.environ.get("HOME"),
        "publish_all": options.publish_all,
        "auto_remove": options.rm,
        "stdin_once": not getattr(options, "detach", True),
    }
    try:
        if options.quiet:
            answer = connection.call("container_create", arguments)
        else:
            answer = request.perform(session, connection, "container_create", arguments, untold=_UNTOLD)
    except errors.StackFileError as error:
        raise serviceflags.translated(error) from error
    warnings = answer.get("warnings")
    for warning in warnings if isinstance(warnings, list) else ():
        session.note(f"warning: {warning}")
    if options.cidfile:
        _write(options.cidfile, str(answer["id"]))
    return str(answer["id"])


def _taken(session: Session) -> frozenset[str]:
    if not session.paths.database.exists():
        return frozenset()
    return frozenset(record.spec.name for record in session.records().every_container())


def _write(path: str, identity: str) -> None:
    try:
        with open(path, "x", encoding="ascii") as file:
            file.write(identity)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise errors.UsageError(message) from error
