"""The lines a build says: BuildKit's plain progress, so that people and tools know it.

#3 [web 2/5] RUN apt-get update
#3 0.42 output line
#3 DONE 1.2s
"""

from __future__ import annotations

import collections
import itertools
import time
from collections.abc import Callable

_LONGEST_LINE = 16 * 1024
_TAIL = 20


class Progress:
    """Numbers the steps of one build."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._numbers = itertools.count(1)

    def note(self, text: str) -> None:
        """A sentence that belongs to no step."""
        self._say(text)

    def begin(self, title: str) -> StepProgress:
        """Announce a step."""
        return StepProgress(self._say, next(self._numbers), title)


class StepProgress:
    """One step: its lines, and the last of its output for the error message."""

    def __init__(self, say: Callable[[str], None], number: int, title: str) -> None:
        self._say = say
        self._number = number
        self._begun = time.monotonic()
        self._pending = bytearray()
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL)
        self._say(f"#{number} {title}")

    @property
    def tail(self) -> str:
        """The last lines of output."""
        return "\n".join(self._tail)

    def feed(self, chunk: bytes) -> None:
        """Take output as it comes; whole lines are said, overlong ones in pieces."""
        self._pending += chunk
        while True:
            end = self._pending.find(b"\n")
            if end < 0 and len(self._pending) < _LONGEST_LINE:
                return
            cut = end if 0 <= end < _LONGEST_LINE else _LONGEST_LINE
            line = bytes(self._pending[:cut])
            del self._pending[: cut + (cut == end)]
            self._line(line)

    def cached(self) -> None:
        """The step was not needed."""
        self._say(f"#{self._number} CACHED")

    def done(self) -> None:
        """The step succeeded."""
        self._flush()
        self._say(f"#{self._number} DONE {self._elapsed:.1f}s")

    def failed(self, message: str) -> None:
        """The step failed."""
        self._flush()
        self._say(f"#{self._number} ERROR: {message}")

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    def _flush(self) -> None:
        if self._pending:
            line = bytes(self._pending)
            self._pending.clear()
            self._line(line)

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._tail.append(text)
        self._say(f"#{self._number} {self._elapsed:.2f} {text}")
