"""One at a time for the same work: services that share a Dockerfile build each step once.

Two builds of one process that come to the same cache key at the same time take turns; the second
then finds what the first remembered.  Processes do not wait for each other: they would do the same
work twice and store the same content once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from composer import errors
from composer.model.protocols import Interrupt

_POLL_SECONDS = 0.1


class Turns:
    """Locks by name that vanish when nobody holds or awaits them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, name: str, interrupt: Interrupt) -> Iterator[None]:
        """Wait for the turn; raises ``Interrupted`` when told to stop while waiting."""
        with self._guard:
            lock, count = self._turns.get(name, (threading.Lock(), 0))
            self._turns[name] = (lock, count + 1)
        try:
            while not lock.acquire(timeout=_POLL_SECONDS):
                if interrupt.is_set:
                    message = "the build was stopped"
                    raise errors.Interrupted(message)
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._guard:
                lock, count = self._turns[name]
                if count > 1:
                    self._turns[name] = (lock, count - 1)
                else:
                    del self._turns[name]
