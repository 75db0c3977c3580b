"""Requests about containers that exist: ``start``, ``stop``, ``restart``, ``pause``, ``rm``, ``kill``."""

from __future__ import annotations

from composer.cli import dryrun, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.cli.session import Json, Session


def change(session: Session, verb: str, arguments: Json) -> int:
    """Ask the stack's supervisor; a stack that is not up has nothing to change."""
    if session.root.dry_run:
        return dryrun.show(session, verb, arguments)
    connection = session.connect_or_adopt()
    if connection is None:
        request.say_nothing_to_do(session)
        return 0
    with connection:
        answer = request.perform(session, connection, verb, {**arguments, "parallel": session.root.parallel})
    if not (answer.get("changed") or answer.get("killed")):
        request.say_nothing_to_do(session)
    return 0
