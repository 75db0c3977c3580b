"""Ctrl-C for long work in this process: a flag that the work checks; the second time is final."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from composer.host.process import StopFlag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """A flag that the first SIGINT or SIGTERM sets; the second raises ``KeyboardInterrupt``."""
    flag = StopFlag()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if flag.is_set:
            raise KeyboardInterrupt
        flag.set()

    former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
