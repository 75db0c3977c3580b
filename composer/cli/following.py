"""Following a running stack: its logs on the terminal until it ends or the user has seen enough.

One thread waits for the supervisor's events and puts them in a queue; the main thread writes logs,
looks at containers when an event came, and takes signals.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from composer import errors
from composer.cli import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from composer.cli.containers import Row
    from composer.cli.logview import LogView
    from composer.cli.session import Json
    from composer.supervisor.client import Connection

POLL = 0.05
"""Seconds between looks at logs that did not grow (a look is one fstat(2) per container)."""

_Open = Callable[[], "Connection | None"]


class Feed:
    """The supervisor's container events, as they happen; survives the supervisor's death."""

    def __init__(self, connect: _Open) -> None:
        self._connect = connect
        self._since = time.time()
        self._events: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        self._has_ended = threading.Event()

    def begin(self) -> None:
        """Subscribe; returns before the first event."""
        threading.Thread(target=self._listen, daemon=True, name="events").start()

    def _listen(self) -> None:
        connection = None
        try:
            connection = self._connect()
            if connection is not None:
                connection.call("events", {"since": self._since}, self._take)
        except (errors.ComposerError, OSError, ValueError):
            pass  # the stack is down or its supervisor died: ``wait`` says so by ``None``
        finally:
            if connection is not None:
                connection.close()
            self._events.put(None)

    def _take(self, event: Json) -> None:
        moment = event.get("time")
        if isinstance(moment, float):
            self._since = moment  # a feed that begins again must not miss what happened meanwhile
        self._events.put(event)

    def wait(self, seconds: float) -> tuple[list[Json], bool]:
        """Events that came within the time (at once when there are some), and whether the feed ended."""
        events: list[Json] = []
        try:
            event = self._events.get(timeout=seconds)
            while event is not None:
                events.append(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return events, False
        return events, True


class Interruption:
    """How often the user asked to stop: 0, 1 (orderly), 2 and more (now)."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, SIGINT and SIGTERM are counted instead of ending the process."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.count += 1

        former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)


class Follower:
    """Writes the logs of a stack until nothing of it is active."""

    def __init__(
        self,
        view: LogView,
        feed: Feed,
        look: Callable[[], list[Row]],
        *,
        services: Iterable[str] = (),
        since: float = 0.0,
    ) -> None:
        self._view = view
        self._feed = feed
        self._look = look
        self._services = frozenset(services)
        self._since = since
        self.rows: list[Row] = []

    def look(self) -> None:
        """Take a fresh look at the containers and follow new ones."""
        self.rows = [
            row
            for row in self._look()
            if not row.get("OneOff") and (not self._services or row["Service"] in self._services)
        ]
        self._view.adopt(self.rows)

    def begin(self) -> None:
        """Subscribe to events, then look again at what happened before the subscription."""
        self._feed.begin()
        self.look()

    def follow(self, is_enough: Callable[[list[Json]], bool]) -> None:
        """Until nothing is active any more, or ``is_enough`` (asked in each round) says so."""
        while True:
            self._view.drain(since=self._since)
            if not any(row["State"] in containers.ACTIVE for row in self.rows):
                break
            events, has_ended = self._feed.wait(POLL)
            if events or has_ended:
                self.look()
            if is_enough(events):
                break
            if has_ended:
                time.sleep(POLL)
                self._feed.begin()
        self._view.drain(since=self._since)
        self._view.finish()
