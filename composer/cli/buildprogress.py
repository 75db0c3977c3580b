"""Builds on a terminal: a row per step, what the working ones print, and the seconds they take."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from composer.cli import progress, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

    from composer.cli.progress import Event, Renderer

_LINES = 4
"""Lines of output shown below a step that works."""
_ENDED = frozenset({"cached", "done", "failed"})


def renderer_for(mode: str, stream: TextIO, *, ansi: str = "auto") -> Renderer:
    """As ``progress.renderer_for``; the live form is that of builds."""
    if mode == "auto":
        mode = "tty" if ansi != "never" and terminal.is_terminal(stream) else "plain"
    return LiveSteps(stream) if mode == "tty" else progress.renderer_for(mode, stream, ansi=ansi)


class _Step:
    """The latest word of one step."""

    def __init__(self, title: str, began: float) -> None:
        self.title = title
        self.began = began
        self.status = ""
        self.took = 0.0
        self.lines: list[str] = []

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in _ENDED


class LiveSteps(progress.Renderer):
    """Every step of every build; what does not fit on the screen scrolls away when it has ended."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._began = clock()
        self._steps: dict[tuple[str, int], _Step] = {}
        self._live: Live | None = None

    def show(self, event: Event) -> None:
        """Update the step; sentences go above the table."""
        number = event.get("step")
        if event.get("type") != "build" or not isinstance(number, int) or number == 0:
            line = progress.line_of(event)
            if line is not None:
                self._say(terminal.harmless(line))
            return
        key = (str(event.get("resource")), number)
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = _Step(terminal.harmless(str(event.get("title", ""))), self._clock())
        step.status = str(event.get("status"))
        elapsed = event.get("elapsed")
        step.took = float(elapsed) if isinstance(elapsed, int | float) else 0.0
        if isinstance(event.get("line"), str):
            step.lines = [*step.lines[1 - _LINES :], terminal.harmless(str(event["line"]))]
        self._begin()

    def close(self) -> None:
        """Draw every step once more and give the cursor back."""
        if self._live is not None:
            self._live.update(self._draw(is_final=True))
            self._live.stop()
            self._live = None

    def _say(self, line: str) -> None:
        if self._live is None:
            self._stream.write(f"{line}\n")
        else:
            self._live.console.print(line, markup=False, highlight=False)

    def _begin(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            get_renderable=self._draw, console=Console(file=self._stream), refresh_per_second=10
        )
        self._live.start()

    def _draw(self, *, is_final: bool = False) -> Group:
        from rich.console import Group
        from rich.text import Text

        steps = list(self._steps.values())
        ended = sum(step.is_over for step in steps)
        seconds = self._clock() - self._began
        head = Text(f"[+] Building {seconds:.1f}s ({ended}/{len(steps)})")
        if not is_final:
            # Working steps with their output must fit on the screen; of the others the last ones.
            room = shutil.get_terminal_size().lines - 3
            room -= sum(1 + len(step.lines) for step in steps if not step.is_over)
            over = [step for step in steps if step.is_over]
            hidden = set(map(id, over[: max(0, len(over) - max(0, room))]))
            steps = [step for step in steps if id(step) not in hidden]
        return Group(head, *(self._row(step) for step in steps))

    def _row(self, step: _Step) -> Table:
        from rich.table import Table
        from rich.text import Text

        style = {"cached": "blue", "done": "blue", "failed": "red"}.get(step.status, "")
        seconds = step.took if step.is_over else self._clock() - step.began
        row = Table.grid(expand=True)
        row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        row.add_column(justify="right", no_wrap=True)
        word = {"cached": "CACHED ", "failed": "ERROR "}.get(step.status, "")
        row.add_row(Text(f" => {word}{step.title}", style=style), Text(f"{seconds:.1f}s", style=style))
        if not step.is_over:
            for line in step.lines:
                row.add_row(Text(f" => => # {line}", style="dim"), Text(""))
        return row
