"""Container output for people: several logs merged by time, each line with its container's name.

Each container's log is followed on its own; what all of them have is merged by timestamp before it
is written, so lines that are read together come out in the order they were written.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence

from composer import errors
from composer.cli import containers, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from composer.host.inotify import Inotify
    from composer.runtime.logs import LogFollower, LogRecord

LONGEST_LINE = 1 << 20
"""Bytes of one line that are put together from partial records before it is written anyway."""

Line = tuple[float, str, str, str]
"""Unix seconds, the timestamp as recorded, the container's label, the text."""


class Source:
    """One container's log."""

    def __init__(self, label: str, follower: LogFollower, history: Sequence[LogRecord] = ()) -> None:
        self.label = label
        self._follower = follower
        self._history = list(history)
        # The follower was opened before the history was read: what both have is shown once.  conmon
        # gives all lines of one write the same time, so none of a write is lost by this.
        self._seen_until = history[-1].time if history else float("-inf")
        self._parts: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}

    def lines(self) -> Iterator[Line]:
        """The whole lines written since the last call, read as they are asked for."""
        history, self._history = self._history, []
        yield from self._joined(history)
        while records := self._follower.read_new():
            yield from self._joined(record for record in records if record.time > self._seen_until)

    def rest(self) -> list[Line]:
        """Lines that were begun and never ended."""
        lines = [(float("inf"), "", self.label, _text(b"".join(parts))) for parts in self._parts.values()]
        self._parts.clear()
        self._sizes.clear()
        return lines

    def _joined(self, records: Iterable[LogRecord]) -> Iterator[Line]:
        for record in records:
            parts = self._parts.setdefault(record.stream, [])
            parts.append(record.text)
            size = self._sizes[record.stream] = self._sizes.get(record.stream, 0) + len(record.text)
            if record.is_partial and size < LONGEST_LINE:
                continue
            del self._parts[record.stream], self._sizes[record.stream]
            yield (record.time, record.timestamp, self.label, _text(b"".join(parts)))


class Style:
    """How lines are written."""

    def __init__(
        self,
        *,
        has_prefix: bool = True,
        has_colour: bool = False,
        has_time: bool = False,
        is_escaped: bool = False,
    ) -> None:
        self.has_prefix = has_prefix
        self.has_colour = has_colour
        self.has_time = has_time
        self.is_escaped = is_escaped


class LogView:
    """Follows the logs of containers and writes their lines to ``out``.

    With ``rings`` the directories of the logs are watched (inotify(7)), and ``descriptor`` is readable
    when one of them was written to.
    """

    def __init__(
        self,
        out: TextIO,
        style: Style,
        data: Path,
        *,
        services: Iterable[str] = (),
        index: int = 0,
        rings: bool = False,
    ) -> None:
        self._index = index
        self._bell = _bell() if rings else None
        self._out = out
        self._style = style
        self._data = data
        self._services = frozenset(services)
        self._sources: dict[str, Source] = {}
        self._colours: dict[str, int] = {}
        self._width = 0

    def adopt(self, rows: Iterable[Mapping[str, object]], *, tail: int | None = None) -> None:
        """Follow the containers of these rows, too; those of other services and one-offs are not ours.

        ``tail`` is how many of the lines a log has already are shown; ``None`` is all.
        """
        from composer.host import inotify
        from composer.runtime import logs

        for row in rows:
            identity, service = str(row["ID"]), str(row["Service"])
            if identity in self._sources or row.get("OneOff"):
                continue
            if self._services and service not in self._services:
                continue
            if self._index and containers.number_of(dict(row)) != str(self._index):
                continue
            path = self._data / "containers" / identity / "log"
            label = containers.label_of(dict(row))
            if self._bell is not None and path.parent.is_dir():
                self._bell.watch(path.parent, inotify.MODIFIED | inotify.CREATED | inotify.MOVED_TO)
            follower = logs.LogFollower(path, from_end=tail is not None)
            history = [] if tail is None else logs.read_records(path, tail=tail)
            self._sources[identity] = Source(label, follower, history)
            palette = terminal.PREFIX_COLOURS
            self._colours.setdefault(label, palette[len(self._colours) % len(palette)])
            self._width = max(self._width, len(label))

    @property
    def descriptor(self) -> int | None:
        """What is readable when a log grew; ``None`` where the host has no bell to give."""
        return None if self._bell is None else self._bell.descriptor

    def quieten(self) -> None:
        """Forget what rang: whoever calls this drains afterwards."""
        while self._bell is not None and self._bell.read():
            pass

    def drain(self, *, since: float = 0.0, until: float = float("inf")) -> int:
        """Write what is new, oldest first; returns how many lines.

        Lines are read as they are written, so a log of gigabytes needs no memory.
        """
        batches = [_within(source.lines(), since, until) for source in self._sources.values()]
        return self._write(merged(batches))

    def close(self) -> None:
        """No bell rings any more."""
        if self._bell is not None:
            self._bell.close()

    def finish(self) -> None:
        """Write lines that were never ended by a newline."""
        self._write(line for source in self._sources.values() for line in source.rest())

    def _write(self, lines: Iterable[Line]) -> int:
        count = 0
        for line in lines:
            self._out.write(self.formatted(line))
            count += 1
        if count:
            self._out.flush()
        return count

    def formatted(self, line: Line) -> str:
        """One line as it is shown, with its newline."""
        _, timestamp, label, text = line
        if self._style.is_escaped:
            text = terminal.harmless(text.rstrip("\r"))
        if self._style.has_time:
            text = f"{timestamp} {text}"
        if not self._style.has_prefix:
            return f"{text}\n"
        prefix = f"{label.ljust(self._width)}  | "
        if self._style.has_colour:
            prefix = terminal.coloured(prefix, self._colours.get(label, 0))
            return f"{prefix}{text}\x1b[0m\n" if "\x1b[" in text else f"{prefix}{text}\n"
        return f"{prefix}{text}\n"


def _bell() -> Inotify | None:
    """Where the host has none left, whoever follows looks now and then."""
    from composer.host import inotify

    try:
        return inotify.Inotify()
    except errors.HostUnsupported:
        return None


def _within(lines: Iterable[Line], since: float, until: float) -> Iterator[Line]:
    return (line for line in lines if since <= line[0] <= until)


def merged(batches: Iterable[Iterable[Line]]) -> Iterable[Line]:
    """Lines of several logs by time; lines of one log keep their order."""
    return heapq.merge(*batches, key=lambda line: line[0])


def _text(line: bytes) -> str:
    """Bytes that are no UTF-8 travel as surrogates: a pipe gets them back as they were."""
    return line.decode("utf-8", errors="surrogateescape")
