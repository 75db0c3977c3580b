"""Single containers as the command line names them: finding them, asking their supervisors.

A word is a name, an id or the beginning of an id, of a container of any stack.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from concurrent.futures import ThreadPoolExecutor

    from composer.cli.session import Json, Session
    from composer.engine.lookup import Named
    from composer.engine.records import ContainerRecord
    from composer.supervisor.client import Connection

MOST_AT_ONCE = 32
"""Requests of one command that are under way together."""

FAILED = 1
"""Docker's exit code when anything failed."""

NOT_RUN = 125
"""Docker's exit code when a container could not be run."""

DEFAULT_STACK = "default"
"""As ``model.names.DEFAULT_STACK``, whose module this path does not load."""


def add_containers(parser: argparse.ArgumentParser) -> None:
    """``CONTAINER ...``."""
    parser.add_argument("containers", nargs="+", metavar="CONTAINER", help="name, id or beginning of an id")


def add_grace(parser: argparse.ArgumentParser) -> None:
    """``-t``: -1 waits for ever, as with Docker."""
    parser.add_argument(
        "-t", "--timeout", "--time", type=int, metavar="SECONDS", help="grace before SIGKILL; -1: for ever"
    )


def add_signal(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """``-s``."""
    parser.add_argument("-s", "--signal", default=default, metavar="SIGNAL", help="name or number of it")


def find(session: Session, word: str) -> ContainerRecord:
    """The container that a word means; raises ``UsageError``."""
    if not session.paths.database.exists():
        message = f"no such container: {word}"
        raise errors.UsageError(message)
    return session.records().container_meant(word)


def find_id(session: Session, word: str) -> Named:
    """As ``find``, without reading what the container is: enough to ask about it."""
    if not session.paths.database.exists():
        message = f"no such container: {word}"
        raise errors.UsageError(message)
    from composer.engine import lookup

    return lookup.container_meant(session.database(), word)


def every(session: Session) -> list[Json]:
    """Every container as its supervisor describes it (``document``, ``status``).

    Supervisors have everything at hand and answer many times quicker than it takes to look for oneself,
    which is done where one of them is missing.
    """
    if not session.paths.database.exists():
        return []
    from composer.engine import lookup

    found: list[Json] = []
    for stack in lookup.stacks_with_containers(session.database()):
        described = session.described(stack)
        if described is None:
            return _seen(session)
        found += described
    return found


def _seen(session: Session) -> list[Json]:
    """What a look of our own finds."""
    from composer.engine.inspection import Inspector

    return [{"document": one.document, "status": one.status} for one in Inspector(session.drivers()).every()]


def ask(
    session: Session, record: ContainerRecord | Named, command: str, arguments: Json | None = None
) -> Json:
    """Make a request about a container to the supervisor of its stack."""
    with session.connect_to(record.stack) as connection:
        return connection.call(command, {"id": record.id, **(arguments or {})})


class _Finished(Exception):
    """What was to be done while a container was held is done."""


def while_held(
    session: Session, record: ContainerRecord, act: Callable[[], None], *, pauses: bool = False
) -> None:
    """Do something while a container that does not run cannot be started or removed.

    In a mount namespace of this process's own, which ``act`` may mount in.  With ``pauses`` a container
    that runs is frozen meanwhile; however this process ends, it goes on then.
    """
    from composer.host import mounts

    broken: list[OSError] = []

    def on_event(event: Json) -> None:
        if event.get("type") == "held":
            try:
                act()
            except (BrokenPipeError, ConnectionResetError) as error:
                broken.append(error)  # of our output; the connection's own mean that the supervisor died
            raise _Finished

    with session.connect_to(record.spec.stack) as connection:
        mounts.enter_private_namespace()
        with contextlib.suppress(_Finished):
            connection.call("container_hold", {"id": record.id, "pause": pauses}, on_event)
    if broken:
        raise broken[0]


def each(session: Session, words: Iterable[str], act: Callable[[str], object]) -> int:
    """Do something for each word; a failure is shown, and the others still have their turn."""
    from composer.cli.main import show_error

    code = 0
    for word in words:
        try:
            act(word)
        except errors.ComposerError as error:
            session.out.flush()
            show_error(error, session.err)
            code = FAILED
    return code


def ask_each(session: Session, words: list[str], command: str, arguments: Json) -> int:
    """Make one request about each container, all at the same time; each word is printed when it is done."""
    asked: list[tuple[str, Named]] = []
    code = each(session, words, lambda word: asked.append((word, find_id(session, word))))
    # Connecting may fork a supervisor, so it is done by this thread alone.
    connected = [(word, record, session.connect_to(record.stack)) for word, record in asked]

    def request(record: Named, connection: Connection) -> Json:
        with connection:
            return connection.call(command, {"id": record.id, **arguments})

    with _pool(len(asked)) as pool:
        answers = {word: pool.submit(request, record, connection) for word, record, connection in connected}

        def show(word: str) -> None:
            answers[word].result()
            session.say(word)

        return each(session, answers, show) or code


def _pool(size: int) -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(max(1, min(size, MOST_AT_ONCE)))


def confirmed(session: Session, question: str, *, force: bool) -> bool:
    """Whether the user agrees; without a terminal to ask at, only ``--force`` does."""
    if force:
        return True
    session.err.write(f"WARNING! {question}\nAre you sure you want to continue? [y/N] ")
    session.err.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
