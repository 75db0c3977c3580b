"""Following a running stack: its logs on the terminal until it ends or the user has seen enough.

One thread waits for the supervisor's events and puts them in a queue; the main thread sleeps until a log
grows (inotify), an event came or a signal was caught, writes logs and looks at containers.
"""

from __future__ import annotations

import math
import os
import queue
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from composer import errors
from composer.cli import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from composer.cli.containers import Row
    from composer.cli.logview import LogView
    from composer.cli.session import Json
    from composer.supervisor.client import Connection

POLL = 0.25
"""Seconds between looks at logs where the host tells nobody when they grow."""

PAUSE = 0.05
"""Seconds before a feed that ended begins again."""

_Open = Callable[[], "Connection | None"]


class Bell:
    """Wakes the main thread: rung by any thread and by signal handlers, waited for with select(2)."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def fileno(self) -> int:
        """Readable when it rang."""
        return self._reader

    def ring(self) -> None:
        """Wake whoever waits; a bell that rings already is left to."""
        with suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def quieten(self) -> None:
        """Forget that it rang."""
        with suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass


class Feed:
    """The supervisor's container events, as they happen; survives the supervisor's death."""

    def __init__(self, connect: _Open, bell: Bell) -> None:
        self._connect = connect
        self._bell = bell
        self._since = time.time()
        self._events: queue.SimpleQueue[Json | None] = queue.SimpleQueue()

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
            pass  # the stack is down or its supervisor died: ``taken`` says so
        finally:
            if connection is not None:
                connection.close()
            self._events.put(None)
            self._bell.ring()

    def _take(self, event: Json) -> None:
        moment = event.get("time")
        if isinstance(moment, float):
            self._since = moment  # a feed that begins again must not miss what happened meanwhile
        self._events.put(event)
        self._bell.ring()

    def taken(self) -> tuple[list[Json], bool]:
        """The events that came since the last call, and whether the feed ended."""
        events: list[Json] = []
        try:
            while (event := self._events.get_nowait()) is not None:
                events.append(event)
        except queue.Empty:
            return events, False
        return events, True


class Interruption:
    """How often the user asked to stop: 0, 1 (orderly), 2 and more (now)."""

    def __init__(self, bell: Bell) -> None:
        self.count = 0
        self.bell = bell

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, SIGINT, SIGTERM and SIGHUP are counted instead of ending the process."""

        def on_signal(_number: int, _frame: FrameType | None) -> None:
            self.count += 1
            self.bell.ring()

        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        former = {number: signal.signal(number, on_signal) for number in wanted}
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
        bell: Bell,
        look: Callable[[], list[Row]],
        *,
        services: Iterable[str] = (),
        since: float = 0.0,
        until: float = math.inf,
    ) -> None:
        self._view = view
        self._feed = feed
        self._bell = bell
        self._look = look
        self._until = until
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
        """Until nothing is active any more, ``until`` has passed, or ``is_enough`` says so."""
        while True:
            self._view.drain(since=self._since, until=self._until)
            if not any(row["State"] in containers.ALIVE for row in self.rows) or time.time() > self._until:
                break
            self._wait()
            events, has_ended = self._feed.taken()
            if events or has_ended:
                self.look()
            if is_enough(events):
                break
            if has_ended:
                time.sleep(PAUSE)
                self._feed.begin()
        self._view.drain(since=self._since, until=self._until)
        self._view.finish()

    def _wait(self) -> None:
        """Until a log grew, an event came, a signal was caught, or ``until`` passed."""
        logs = self._view.descriptor
        sources = [self._bell.fileno(), *([logs] if logs is not None else [])]
        seconds = math.inf if logs is not None else POLL
        seconds = min(seconds, max(0.0, self._until - time.time()))
        select.select(sources, [], [], None if math.isinf(seconds) else seconds)
        self._bell.quieten()
        self._view.quieten()
