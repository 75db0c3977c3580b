"""``cp``: the command line's part of it, for containers by hand and for those of services."""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import hand, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from composer.cli.session import Session
    from composer.engine.copying import Copied, Copier
    from composer.engine.records import ContainerRecord


def add_options(parser: argparse.ArgumentParser, whose: str) -> None:
    """The options, and the two paths; ``whose`` is the word for the part before the colon."""
    add = parser.add_argument
    add("-a", "--archive", action="store_true", help="keep owners on the way out, too")
    add("-L", "--follow-link", action="store_true", help="follow the link that the source is")
    add("-q", "--quiet", action="store_true", help="do not say what was copied")
    add("source", metavar=f"{whose}:SOURCE|SOURCE|-", help="path, or - for a tar from standard input")
    add("target", metavar=f"TARGET|-|{whose}:TARGET", help="path, or - for a tar to standard output")


def split(word: str) -> tuple[str, str]:
    """``WHOSE:PATH``; "" before a path of this host: ``/a:b`` and ``./a:b`` are such."""
    whose, separator, path = word.partition(":")
    if word.startswith(("/", ".")) or not separator or not whose:
        return "", word
    return whose, path


def direction(options: argparse.Namespace) -> tuple[str, bool]:
    """Whose container, and whether the copy goes into it; raises ``UsageError``."""
    source, target = split(options.source)[0], split(options.target)[0]
    if source and target:
        raise errors.UsageError("copying between containers is not supported", hint="Copy in two steps.")
    if not source and not target:
        message = "one of the two paths must be in a container"
        raise errors.UsageError(message, hint="Write CONTAINER:PATH.")
    return source or target, bool(target)


def copy(session: Session, record: ContainerRecord, options: argparse.Namespace, label: str) -> None:
    """Copy between one container and this host; says so on standard error."""
    source, target = split(options.source)[1], split(options.target)[1]
    _, goes_in = direction(options)
    work = _into(source, target) if goes_in else _out_of(source, target)

    def act() -> None:
        from composer.engine import rootview
        from composer.engine.copying import Copier

        with rootview.as_seen_inside(session.drivers(), record) as root:
            copier = Copier(root, is_archive=options.archive, follows=options.follow_link)
            copied = work(copier)
        for path in copied.left_out:
            session.note(f"warning: {path} is a device: it was not copied")
        if not options.quiet and target != "-":
            where = f"{label}:{target}" if goes_in else os.path.abspath(target)
            session.note(f"Successfully copied {table.human_size(copied.size)} to {where}")

    hand.while_held(session, record, act)


def _into(source: str, target: str) -> Callable[[Copier], Copied]:
    if source == "-":
        return lambda copier: copier.from_tar(sys.stdin.buffer, target)
    return lambda copier: copier.from_host(source, target)


def _out_of(source: str, target: str) -> Callable[[Copier], Copied]:
    if target == "-":
        if sys.stdout.isatty():
            raise errors.UsageError("a tar is not for a terminal", hint="Redirect it: `... - | tar t`.")
        return lambda copier: copier.to_tar(source, sys.stdout.buffer.write)
    return lambda copier: copier.to_host(source, target)
