"""How one build stops: because its caller says so, or because one of its stages failed."""

from __future__ import annotations

from collections.abc import Callable

from composer import errors
from composer.host.process import StopFlag
from composer.model.protocols import Interrupt


class Stop:
    """An ``Interrupt`` that is set when the caller's is, and by hand."""

    def __init__(self, outer: Interrupt) -> None:
        self._outer = outer
        self._flag = StopFlag()
        self._forget = outer.on_set(self._flag.set)

    @property
    def is_set(self) -> bool:
        """Whether the build should stop."""
        return self._flag.is_set or self._outer.is_set

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when set; returns the function that unregisters."""
        return self._flag.on_set(callback)

    def set(self) -> None:
        """Stop every stage."""
        self._flag.set()

    def check(self) -> None:
        """Raise ``Interrupted`` when set."""
        if self.is_set:
            message = "the build was stopped"
            raise errors.Interrupted(message)

    def close(self) -> None:
        """Listen to the caller no more."""
        self._forget()
