"""One request to a supervisor as a command makes it: progress shown, Ctrl-C turned into an orderly stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from composer.cli import progress
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from composer.cli.session import Json, Session
    from composer.supervisor.client import Connection


def perform(
    session: Session,
    connection: Connection,
    command: str,
    arguments: Json,
    *,
    untold: frozenset[str] = frozenset(),
) -> Json:
    """Make the request and show its events, but those ``untold``; returns the result's data.

    The first SIGINT or SIGTERM asks the supervisor to stop the operation and waits for its answer
    (``Interrupted``); the second leaves at once.
    """
    renderer = progress.renderer_for(
        session.root.progress, session.err, ansi=session.root.ansi, is_verbose=session.root.verbose
    )

    def show(event: Json) -> None:
        if event.get("action") not in untold and event.get("type") not in untold:
            renderer.show(event)

    try:
        with cancelling(connection):
            return connection.call(command, arguments, show)
    finally:
        renderer.close()


def untold(*, quiet_pull: bool = False, quiet_build: bool = False) -> frozenset[str]:
    """The actions and the kinds of events that are not shown; what builds print are events ``log``."""
    return frozenset({"pull"} if quiet_pull else ()) | frozenset({"log"} if quiet_build else ())


@contextmanager
def cancelling(connection: Connection) -> Iterator[None]:
    """While inside, the first signal cancels the request on ``connection``."""
    was_asked = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal was_asked
        if was_asked:
            raise KeyboardInterrupt
        was_asked = True
        connection.cancel()

    former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def say_nothing_to_do(session: Session) -> None:
    """The whole answer of a command that found everything as asked."""
    if session.root.progress == "json":
        progress.JsonLines(session.err).show(events.message("info", "nothing to do"))
    elif session.root.progress != "quiet":
        session.say("nothing to do")
