"""``up`` in the foreground: shows the stack's output and stops the stack when the user leaves."""

from __future__ import annotations

import threading

from composer import errors
from composer.cli.following import Feed, Follower

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from composer.cli.containers import Row
    from composer.cli.following import Interruption
    from composer.cli.logview import LogView
    from composer.cli.session import Json, Session

INTERRUPTED = 130


class Foreground:
    """One attached ``up``: after its plan was carried out, until every container ended.

    ``aborts`` says which end of a container ends the stack: ``exit``, ``failure`` or "" for none.
    """

    def __init__(
        self,
        session: Session,
        view: LogView,
        interruption: Interruption,
        *,
        services: list[str],
        timeout: int | None,
        since: float,
        aborts: str,
        exit_code_from: str | None,
        completing: Collection[str] = (),
    ) -> None:
        self._session = session
        self._services = services
        self._timeout = timeout
        self._aborts = aborts
        self._exit_code_from = exit_code_from
        self._completing = completing
        self._interruption = interruption
        self._stopping: threading.Thread | None = None
        self._is_killed = False
        self._exit_code = 0
        bell = interruption.bell
        feed = Feed(session.connect, bell)
        self._follower = Follower(view, feed, bell, session.rows, services=services, since=since)

    def run(self) -> int:
        """Show output until the end; returns the exit code of ``up``."""
        try:
            self._follower.begin()
            self._look_for_abort()
            self._follower.follow(self._is_enough)
        finally:
            # Also when there is nobody to show anything to any more: what was begun is finished.
            if self._interruption.count and self._stopping is None:
                self._stop()
            if self._stopping is not None:
                self._stopping.join()
        if self._exit_code_from:
            self._follower.look()
            return exit_code_of(self._follower.rows, self._exit_code_from)
        return INTERRUPTED if self._interruption.count else self._exit_code

    def _is_enough(self, events: list[Json]) -> bool:
        if events:
            self._look_for_abort()
        if self._interruption.count == 1 and self._stopping is None:
            self._stop()
            self._session.note("Gracefully Stopping... press Ctrl+C again to force")
        elif self._interruption.count > 1 and not self._is_killed:
            self._is_killed = True
            self._ask("kill", {"services": self._services, "signal": "SIGKILL"})
        return False

    def _look_for_abort(self) -> None:
        if not self._aborts or self._stopping is not None:
            return
        culprit = first_ended(self._follower.rows, self._completing, only_failures=self._aborts == "failure")
        if culprit is not None:
            code = culprit["ExitCode"]
            self._exit_code = code if isinstance(code, int) else 1
            self._stop()
            self._session.note(f"Aborting on container exit: {culprit['Name']} exited with code {code}")

    def _stop(self) -> None:
        arguments: Json = {"services": self._services, "timeout": self._timeout}
        self._stopping = threading.Thread(target=self._ask, args=("stop", arguments), daemon=True)
        self._stopping.start()

    def _ask(self, command: str, arguments: Json) -> None:
        try:
            # Not adopting: this thread must not fork, and the follower adopts by itself.
            connection = self._session.connect()
            if connection is not None:
                with connection:
                    connection.call(command, arguments)
        except errors.ComposerError as error:
            self._session.note(f"error: {error.message}")


def first_ended(rows: list[Row], completing: Collection[str], *, only_failures: bool = False) -> Row | None:
    """The container whose end ends the stack: one that others waited for to complete may end with 0."""
    for row in rows:
        may_end_well = only_failures or row["Service"] in completing
        if row["State"] == "exited" and not (row["ExitCode"] == 0 and may_end_well):
            return row
    return None


def exit_code_of(rows: list[Row], service: str) -> int:
    """The exit code of a service's container; the first that is not 0 where there are several."""
    codes = [row["ExitCode"] for row in rows if row["Service"] == service]
    return next((code for code in codes if isinstance(code, int) and code), 0)
