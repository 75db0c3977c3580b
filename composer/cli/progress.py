"""The progress of an operation: step events in, lines, a live table or JSON out.

Everything goes to stderr; stdout belongs to answers.  The live table is ``rich``'s, imported when
the first step is announced: a command that finds nothing to do never pays for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from composer.cli import table, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.live import Live
    from rich.table import Table

Event = dict[str, object]

_WORDS = {
    "pull": ("Pulling", "Pulled"),
    "push": ("Pushing", "Pushed"),
    "build": ("Building", "Built"),
    "create": ("Creating", "Created"),
    "start": ("Starting", "Started"),
    "wait": ("Waiting", "Ready"),
    "stop": ("Stopping", "Stopped"),
    "pause": ("Pausing", "Paused"),
    "unpause": ("Unpausing", "Unpaused"),
    "remove": ("Removing", "Removed"),
    "repair": ("Repairing", "Repaired"),
    "reconnect": ("Reconnecting", "Reconnected"),
    "update": ("Updating", "Updated"),
}

_OUTCOMES = {"skipped": "Skipped", "failed": "Error"}

_LONG = frozenset({"build", "pull", "push", "wait", "stop"})
"""Actions whose beginning is worth a line of its own: they may take long."""


class Renderer:
    """Shows events as they arrive; this one shows none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: Event) -> None:
        """Take one event in."""

    def close(self) -> None:
        """Leave the terminal as it should stay."""


def renderer_for(mode: str, stream: TextIO, *, ansi: str = "auto", is_verbose: bool = False) -> Renderer:
    """The renderer of a ``--progress`` mode; ``auto`` is a live table where the stream is a terminal.

    ``is_verbose`` wants lines, and to know of each step when it begins, and why.
    """
    if is_verbose and mode in ("auto", "tty", "plain"):
        return Plain(stream, is_verbose=True)
    if mode == "auto":
        mode = "tty" if ansi != "never" and terminal.is_terminal(stream) else "plain"
    if mode == "tty":
        return LiveTable(stream)
    if mode == "json":
        return JsonLines(stream)
    return Quiet(stream) if mode == "quiet" else Plain(stream)


def word_of(action: str, status: str) -> str:
    """What a step is doing or has done, in one word."""
    if status in _OUTCOMES:
        return _OUTCOMES[status]
    working, done = _WORDS.get(action, (action, action))
    return done if status == "done" else working


def line_of(event: Event, *, is_verbose: bool = False) -> str | None:
    """An event as a line of plain progress; ``None`` when it is not worth one."""
    kind = event.get("type")
    if kind in ("log", "build"):
        return str(event.get("text", ""))
    if kind == "message":
        level = str(event.get("level"))
        text = str(event.get("text", ""))
        return text if level == "info" else f"{level}: {text}"
    if kind == "transfer":
        return transfer_line_of(event)
    if kind != "step":
        return None
    action, status = str(event.get("action")), str(event.get("status"))
    if status == "progress" or (status == "working" and action not in _LONG and not is_verbose):
        return None
    words = [_title(event), word_of(action, status)]
    if is_verbose and status == "working":
        words.append(f"({event.get('text', '')})")
    elapsed = event.get("elapsed")
    if isinstance(elapsed, int | float):
        words.append(f"{elapsed:.1f}s")
    return " ".join(words)


_TRANSFERS = {
    "waiting": "Waiting",
    "transferring": "Transferring",
    "unpacking": "Unpacking",
    "done": "Done",
    "already present": "Already present",
    "mounted from another repository": "Mounted",
}
"""Words for ``distribution.TransferState``."""

_TRANSFERS_OVER = frozenset({"done", "already present", "mounted from another repository"})


def transfer_line_of(event: Event) -> str | None:
    """A layer as a line of plain progress: only its end is worth one."""
    if event.get("status") not in _TRANSFERS_OVER:
        return None
    return f"{_title(event)} layer {_layer(event)} {_TRANSFERS[str(event['status'])]} {_amount(event)}"


def _layer(event: Event) -> str:
    return str(event.get("layer", "")).removeprefix("sha256:")[:12]


def _amount(event: Event) -> str:
    """``12.3MB`` when it is over, ``1.2MB/12.3MB`` on the way."""
    done, total = event.get("done"), event.get("total")
    whole = table.human_size(total if isinstance(total, int) else 0)
    if event.get("status") in _TRANSFERS_OVER or event.get("status") == "waiting":
        return whole
    return f"{table.human_size(done if isinstance(done, int) else 0)}/{whole}"


def _title(event: Event) -> str:
    kind, _, name = str(event.get("resource", "")).partition(" ")
    return f"{kind.capitalize()} {name}"


class Plain(Renderer):
    """A line per step and per layer that ended, and per line of a build."""

    def __init__(self, stream: TextIO, *, is_verbose: bool = False) -> None:
        super().__init__(stream)
        self._is_verbose = is_verbose
        self._layers: set[tuple[object, object]] = set()

    def show(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        line = line_of(event, is_verbose=self._is_verbose)
        if line is not None and event.get("type") == "transfer":
            # A layer that was here already may be done a second time, when it is unpacked.
            ended = (event.get("resource"), event.get("layer"))
            line = None if ended in self._layers else line
            self._layers.add(ended)
        if line is not None:
            self._stream.write(f"{terminal.harmless(line)}\n")
            self._stream.flush()


class JsonLines(Renderer):
    """The event objects as they are, one per line (``model.events``)."""

    def show(self, event: Event) -> None:
        """Write the object."""
        self._stream.write(json.dumps(event, separators=(",", ":")) + "\n")
        self._stream.flush()


class Quiet(Renderer):
    """Only warnings and errors."""

    def show(self, event: Event) -> None:
        """Write a warning or an error; drop everything else."""
        if event.get("type") == "message" and event.get("level") != "info":
            self._stream.write(f"{terminal.harmless(line_of(event) or '')}\n")
            self._stream.flush()


class _Row:
    """One resource of the live table: its latest action, and when that began."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.action = ""
        self.status = ""
        self.began = 0.0
        self.took: float | None = None
        self.line = ""
        self.layers: dict[str, Event] = {}

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "skipped", "failed")

    def take(self, event: Event, now: float) -> None:
        """A step event of this resource."""
        action, status = str(event.get("action")), str(event.get("status"))
        if action != self.action or status == "working":
            self.began, self.took, self.line = now, None, ""
        self.action, self.status = action, status
        elapsed = event.get("elapsed")
        if isinstance(elapsed, int | float):
            self.took = float(elapsed)


class LiveTable(Renderer):
    """One row per resource with its state and the time of its present action."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._live: Live | None = None

    def show(self, event: Event) -> None:
        """Update the row; sentences go above the table."""
        kind = event.get("type")
        if kind == "step":
            resource = str(event.get("resource"))
            row = self._rows.setdefault(resource, _Row(_title(event)))
            row.take(event, self._clock())
            self._begin()
        elif kind == "log":
            row = self._rows.setdefault(str(event.get("resource")), _Row(_title(event)))
            row.line = terminal.harmless(str(event.get("text", "")))
        elif kind == "transfer":
            row = self._rows.setdefault(str(event.get("resource")), _Row(_title(event)))
            row.layers[str(event.get("layer"))] = event
        elif kind == "message":
            self._say(line_of(event) or "")

    def close(self) -> None:
        """Draw the last state and give the cursor back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, line: str) -> None:
        if self._live is None:
            self._stream.write(f"{terminal.harmless(line)}\n")
        else:
            self._live.console.print(terminal.harmless(line), markup=False, highlight=False)

    def _begin(self) -> None:
        if self._live is not None:
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=10)
        self._live.start()

    def _draw(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        rows = list(self._rows.values())
        ended = sum(row.status in ("done", "skipped") for row in rows)
        drawn = Table(box=None, show_header=False, pad_edge=False, title_justify="left")
        drawn.title = f"[+] {ended}/{len(rows)}"
        drawn.title_style = ""
        for row in rows:
            style = {"done": "green", "skipped": "yellow", "failed": "red"}.get(row.status, "cyan")
            seconds = row.took if row.took is not None else self._clock() - row.began
            drawn.add_row(
                Text({"done": " ✔", "failed": " ✘"}.get(row.status, " ·"), style=style),
                Text(row.title),
                Text(word_of(row.action, row.status), style=style),
                Text(f"{seconds:.1f}s" if row.status else "", style="blue"),
                Text("" if row.is_over else row.line, style="dim", overflow="ellipsis", no_wrap=True),
            )
            for event in () if row.is_over else row.layers.values():
                drawn.add_row("", *(Text(cell, style="dim") for cell in _layer_cells(event)))
        return drawn


_BAR = 20
"""Characters of a layer's bar."""


def _layer_cells(event: Event) -> tuple[str, str, str, str]:
    """One layer of an image that is under way: name, state, bytes, bar."""
    done, total = event.get("done"), event.get("total")
    part = done / total if isinstance(done, int) and isinstance(total, int) and total else 0.0
    is_moving = event.get("status") in ("transferring", "unpacking")
    bar = "━" * round(_BAR * min(1.0, part)) if is_moving else ""
    return f"  {_layer(event)}", _TRANSFERS.get(str(event.get("status")), ""), _amount(event), bar
