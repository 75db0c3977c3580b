"""Many transfers at once: a few threads per process, and the first failure stops the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from composer import errors

if TYPE_CHECKING:
    from composer.model.protocols import Interrupt

AT_ONCE = 3
"""Blobs per image, as Docker (dockerd ``--max-concurrent-downloads``)."""


class Linked:
    """An interrupt that is set by another one, or by ourselves (``protocols.Interrupt``)."""

    def __init__(self, outer: Interrupt | None) -> None:
        self._outer = outer
        self._lock = threading.Lock()
        self._is_set = False
        self._callbacks: list[Callable[[], None]] = []
        self._unlink = outer.on_set(self.set) if outer is not None else None

    @property
    def is_set(self) -> bool:
        """Whether to stop."""
        return self._is_set or (self._outer is not None and self._outer.is_set)

    def set(self) -> None:
        """Stop everything that checks this one."""
        with self._lock:
            callbacks = [] if self._is_set else list(self._callbacks)
            self._is_set = True
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when set (at once if it is); returns the function that unregisters."""
        with self._lock:
            if not self._is_set:
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def close(self) -> None:
        """The outer one is none of our business any more."""
        if self._unlink is not None:
            self._unlink()

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


def run_all(calls: Sequence[Callable[[], None]], stop: Linked, *, at_once: int = AT_ONCE) -> None:
    """Make every call; when one fails the others are stopped, and its error is raised."""
    if not calls:
        return
    with ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="transfer") as threads:
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
