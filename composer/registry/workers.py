"""Many transfers at once: a few threads per process, and the first failure stops the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from composer import errors
from composer.host.process import StopFlag

if TYPE_CHECKING:
    from composer.model.protocols import Interrupt

AT_ONCE = 3
"""Blobs per image, as Docker (dockerd ``--max-concurrent-downloads``)."""


class Linked(StopFlag):
    """A flag that is set by itself, or by an outer interrupt until it is closed."""

    def __init__(self, outer: Interrupt | None) -> None:
        super().__init__()
        self._unlink = outer.on_set(self.set) if outer is not None else None

    def close(self) -> None:
        """The outer one is none of our business any more."""
        if self._unlink is not None:
            self._unlink()


def run_all(calls: Sequence[Callable[[], None]], stop: Linked) -> None:
    """Make every call; when one fails the others are stopped, and its error is raised."""
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="transfer") as threads:
        futures = [threads.submit(call) for call in calls]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        except BaseException:
            stop.set()
            raise
        failures = [error for future in done if (error := future.exception()) is not None]
        if failures:
            stop.set()
            for future in futures:
                future.cancel()
    if failures:
        # Those that were stopped because of the first failure say only that they were.
        raise next((error for error in failures if not isinstance(error, errors.Interrupted)), failures[0])
