"""``composer down``: take away everything that was ever made for the stack, except its volumes."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, dryrun, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer down
composer down -v --rmi local"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``down``."""
    add = parser.add_argument
    add("-v", "--volumes", action="store_true", help="remove the stack's volumes and what is in them")
    add("--remove-orphans", action="store_true", help="accepted; orphans always go")
    add("--rmi", choices=("local", "all"), metavar="local|all", help="remove images: the built ones, or all")
    arguments.add_timeout(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Take the stack down."""
    if session.root.dry_run:
        return dryrun.show(session, "down", _request_of(session, options))
    connection = session.connect(revive=True)
    if connection is None:
        if not _is_anything_left(session, options):
            request.say_nothing_to_do(session)
            return 0
        connection = session.start_supervisor()
    with connection:
        answer = _ask(session, connection, options)
    if not answer.get("changed"):
        request.say_nothing_to_do(session)
    return 0


def _is_anything_left(session: Session, options: argparse.Namespace) -> bool:
    """Whether a stack without a supervisor has something that ``down`` could remove."""
    if not session.paths.database.exists():
        return False
    records = session.records()
    name = session.stack_name()
    return bool(
        records.stack(name)
        or records.containers(name)
        or (options.volumes and records.volumes(name))
        or options.rmi
    )


def _ask(session: Session, connection: Connection, options: argparse.Namespace) -> Json:
    """With the file, which knows the order and the images; where it is broken, by the records alone."""
    wanted = _request_of(session, options)
    try:
        return request.perform(session, connection, "down", wanted)
    except errors.StackFileError as error:
        if options.rmi:
            raise
        if any(problem.line for problem in error.problems):
            session.note("warning: the stack file has errors; going by what was recorded")
    return request.perform(session, connection, "down", {**wanted, "source": None})


def _request_of(session: Session, options: argparse.Namespace) -> Json:
    return {
        "source": session.source(),
        "volumes": options.volumes,
        "remove_orphans": options.remove_orphans,
        "rmi": options.rmi,
        "timeout": options.timeout,
        "services": options.services,
        "parallel": session.root.parallel,
    }
