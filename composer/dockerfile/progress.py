"""What a build says: steps as values, and as the lines of BuildKit's plain progress.

#3 [web 2/5] RUN apt-get update
#3 0.42 output line
#3 DONE 1.2s

People and tools know these lines.  The values of secrets that a step may see are blotted out of what
it prints.
"""

from __future__ import annotations

import collections
import itertools
import threading
import time
from collections.abc import Callable, Iterable

from composer.model.protocols import StepReport, StepState

_LONGEST_LINE = 16 * 1024
_TAIL = 20
_SHORTEST_SECRET = 4
"""Shorter ones would blot out half of every log and can be guessed anyway."""
_BLOT = "***"


class Progress:
    """Numbers the steps of one build; safe for several stages at once."""

    def __init__(
        self, say: Callable[[str], None], report: Callable[[StepReport], None] | None = None
    ) -> None:
        self._say = say
        self._report = report
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def note(self, text: str) -> None:
        """A sentence that belongs to no step."""
        self.tell(StepReport(number=0, title="", state=StepState.WORKING, line=text))

    def begin(self, title: str) -> StepProgress:
        """Announce a step."""
        with self._lock:
            number = next(self._numbers)
        return StepProgress(self.tell, number, title)

    def tell(self, report: StepReport) -> None:
        """Pass one report on."""
        with self._lock:
            self._say(line_of(report))
            if self._report is not None:
                self._report(report)


def line_of(report: StepReport) -> str:
    """A report as a line of plain progress."""
    if report.number == 0:
        return report.line or ""
    if report.state is StepState.CACHED:
        return f"#{report.number} CACHED"
    if report.state is StepState.DONE:
        return f"#{report.number} DONE {report.elapsed:.1f}s"
    if report.state is StepState.FAILED:
        return f"#{report.number} ERROR: {report.line}"
    if report.line is None:
        return f"#{report.number} {report.title}"
    return f"#{report.number} {report.elapsed:.2f} {report.line}"


class StepProgress:
    """One step: its lines, and the last of its output for the error message."""

    def __init__(self, tell: Callable[[StepReport], None], number: int, title: str) -> None:
        self._tell = tell
        self._number = number
        self._title = title
        self._begun = time.monotonic()
        self._pending = bytearray()
        self._hidden: tuple[str, ...] = ()
        self._is_over = False
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL)
        self._say(StepState.WORKING)

    @property
    def tail(self) -> str:
        """The last lines of output."""
        return "\n".join(self._tail)

    def hide(self, secrets: Iterable[bytes]) -> None:
        """Blot these values (each of their lines) out of the output."""
        lines = (line.strip() for one in secrets for line in one.decode("utf-8", "replace").splitlines())
        found = {line for line in lines if len(line) >= _SHORTEST_SECRET}
        self._hidden = tuple(sorted(found, key=len, reverse=True))

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
        self._end(StepState.CACHED)

    def done(self) -> None:
        """The step succeeded."""
        self._end(StepState.DONE)

    def failed(self, message: str) -> None:
        """The step failed."""
        self._end(StepState.FAILED, message)

    def _end(self, state: StepState, line: str | None = None) -> None:
        if not self._is_over:
            self._is_over = True
            self._flush()
            self._say(state, line)

    def _flush(self) -> None:
        if self._pending:
            line = bytes(self._pending)
            self._pending.clear()
            self._line(line)

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        for secret in self._hidden:
            text = text.replace(secret, _BLOT)
        self._tail.append(text)
        self._say(StepState.WORKING, text)

    def _say(self, state: StepState, line: str | None = None) -> None:
        self._tell(
            StepReport(
                number=self._number,
                title=self._title,
                state=state,
                elapsed=time.monotonic() - self._begun,
                line=line,
            )
        )
