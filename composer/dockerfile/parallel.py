"""Stages side by side: each begins when somebody needs it, and once.

A stage that is needed at once (``FROM`` an earlier stage) is worked on by the thread that needs it;
one that is needed later (``COPY --from``, ``RUN --mount``) gets a thread of its own meanwhile.  A
thread that waits for a stage never holds anything that the stage may need.  Of several failures the
first is the build's; it stops the other stages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from composer import errors
from composer.dockerfile.stop import Stop

Result = TypeVar("Result")

_POLL_SECONDS = 0.1
"""A caller's interrupt may have no way to wake us."""


class Parallel(Generic[Result]):
    """The results of numbered pieces of work that may need each other, but not in a circle."""

    def __init__(self, work: Callable[[int], Result], stop: Stop) -> None:
        self._work = work
        self._stop = stop
        self._changed = threading.Condition()
        self._begun: set[int] = set()
        self._results: dict[int, Result] = {}
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def begin(self, number: int) -> None:
        """Let a thread work on a piece that nobody works on yet."""
        if self._take(number):
            thread = threading.Thread(target=self._perform, args=(number,), name=f"stage {number}")
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def result(self, number: int) -> Result:
        """Work on a piece, or wait for whoever does.

        Raises ``Interrupted`` when told to stop or when another piece failed: ``failure`` says why.
        """
        if self._take(number):
            self._perform(number)
        with self._changed:
            while number not in self._results:
                if self._failure is not None or self._stop.is_set:
                    message = "the build was stopped"
                    raise errors.Interrupted(message)
                self._changed.wait(_POLL_SECONDS)
            return self._results[number]

    def finish(self, number: int) -> Result:
        """The result of the piece that all others are for; raises the first failure of any."""
        try:
            return self.result(number)
        except errors.Interrupted:
            if self._failure is not None:
                raise self._failure from None
            raise
        finally:
            if number not in self._results:
                self._stop.set()
            for thread in self._threads:
                thread.join()

    def _take(self, number: int) -> bool:
        with self._changed:
            is_new = number not in self._begun
            self._begun.add(number)
        return is_new

    def _perform(self, number: int) -> None:
        try:
            result = self._work(number)
        except BaseException as error:  # noqa: BLE001 -- raised again by ``finish``
            with self._changed:
                if self._failure is None:
                    self._failure = error
                self._changed.notify_all()
            self._stop.set()
        else:
            with self._changed:
                self._results[number] = result
                self._changed.notify_all()
