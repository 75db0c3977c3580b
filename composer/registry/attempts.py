"""Attempts at one thing: counts them, waits between them, gives up with the last failure."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, NoReturn

from composer import errors
from composer.registry import retry
from composer.registry.refusal import Temporary
from composer.registry.transport import ConnectionFailed

if TYPE_CHECKING:
    from composer.model.protocols import Interrupt
    from composer.registry.retry import Patience

Failure = Temporary | ConnectionFailed


class Attempts:
    """The attempts at one request or one transfer."""

    def __init__(self, patience: Patience, interrupt: Interrupt | None) -> None:
        self._patience = patience
        self._interrupt = interrupt
        self._tried = 0
        self._waited = 0.0
        self._was_connected = False

    def failed(self, failure: Failure, *, brought: int = 0) -> None:
        """Wait until the next attempt; raises the failure when there shall be none.

        ``brought`` are the bytes of the attempt: one that brought enough was worth it.
        """
        self._tried = 1 if brought >= self._patience.progress else self._tried + 1
        if isinstance(failure, ConnectionFailed) and not failure.may_pass:
            raise failure
        retry_after = failure.retry_after if isinstance(failure, Temporary) else None
        is_connecting = isinstance(failure, ConnectionFailed) and failure.is_connecting
        self._was_connected = self._was_connected or not is_connecting
        jitter = random.random()  # noqa: S311 -- spreads clients, keeps no secret
        seconds = retry.delay(
            self._tried,
            self._patience,
            retry_after=retry_after,
            jitter=jitter,
            waited=self._waited,
            is_connecting=not self._was_connected,
        )
        if seconds is None:
            _give_up(failure)
        self._waited += seconds if retry_after is not None else 0.0
        pause(seconds, self._interrupt)


def _give_up(failure: Failure) -> NoReturn:
    if isinstance(failure, Temporary):
        raise failure.final from failure
    raise failure


def pause(seconds: float, interrupt: Interrupt | None) -> None:
    """Sleep; raises ``Interrupted`` as soon as the interrupt is set."""
    woken = threading.Event()
    if interrupt is None:
        woken.wait(seconds)
        return
    unregister = interrupt.on_set(woken.set)
    try:
        if not interrupt.is_set:
            woken.wait(seconds)
    finally:
        unregister()
    check(interrupt)


def check(interrupt: Interrupt | None) -> None:
    """Raise ``Interrupted`` when it is set."""
    if interrupt is not None and interrupt.is_set:
        raise errors.Interrupted("interrupted")
