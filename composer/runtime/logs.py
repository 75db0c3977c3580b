"""Container logs as conmon writes them (``k8s-file``): one record a line.

``2026-11-23T18:00:00.123456789+00:00 stdout F text``; ``P`` marks a part of a line that conmon cut.
Reading is bounded: a record longer than ``LONGEST`` is cut into parts, so a line of a gigabyte never
sits in memory.  Text is returned raw; escaping is the renderer's business.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import attrs

LONGEST = 64 * 1024
_CHUNK = 256 * 1024


@attrs.frozen
class LogRecord:
    """One record: ``time`` is Unix seconds, ``timestamp`` as written, ``text`` without its newline."""

    time: float
    timestamp: str
    stream: str
    text: bytes
    is_partial: bool


def parse(line: bytes) -> LogRecord | None:
    """The record in one line of the file; ``None`` when it is none (a torn or foreign line)."""
    fields = line.split(b" ", 3)
    if len(fields) < 3 or fields[1] not in (b"stdout", b"stderr") or fields[2] not in (b"F", b"P"):
        return None
    timestamp = fields[0].decode("ascii", errors="replace")
    moment = _seconds(timestamp)
    if moment is None:
        return None
    text = fields[3] if len(fields) > 3 else b""
    return LogRecord(moment, timestamp, fields[1].decode("ascii"), text[:LONGEST], fields[2] == b"P")


def _seconds(timestamp: str) -> float | None:
    """RFC 3339 with nanoseconds; ``datetime`` takes six digits of them."""
    head, dot, rest = timestamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if dot else ""
    try:
        if not dot:
            return datetime.fromisoformat(timestamp).timestamp()
        whole = datetime.fromisoformat(head + zone).timestamp()
        return whole + float(f"0.{digits or '0'}")
    except ValueError:
        return None


class LogFollower:
    """Reads what was appended since the last read; survives truncation and a late or replaced file."""

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._descriptor = -1
        self._offset = 0
        self._rest = b""
        if from_end and self._open():
            self._offset = os.fstat(self._descriptor).st_size

    def read_new(self) -> list[LogRecord]:
        """The complete records that are new; call again until it returns none."""
        if not self._open():
            return []
        try:
            if os.fstat(self._descriptor).st_size < self._offset:
                self._offset, self._rest = 0, b""
            data = os.pread(self._descriptor, _CHUNK, self._offset)
        except OSError:
            self.close()
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST * 2:
            lines.append(self._rest)
            self._rest = b""
        return [record for record in map(parse, lines) if record is not None]

    def close(self) -> None:
        """Give the file up."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> bool:
        if self._descriptor < 0:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return False
        return True


def read_records(path: Path, *, tail: int | None = None) -> list[LogRecord]:
    """Every record of a log, or the last ``tail`` whole lines of it."""
    start = 0 if tail is None else _offset_of_tail(path, tail)
    follower = LogFollower(path)
    follower._offset = start
    records: list[LogRecord] = []
    while new := follower.read_new():
        records += new
    follower.close()
    return records


def _offset_of_tail(path: Path, count: int) -> int:
    """Where the last ``count`` lines begin; a cut line counts once, with all its parts."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        end = os.fstat(descriptor).st_size
        if count <= 0:
            return end
        position, block = end, b""
        starts: list[int] = []
        while position > 0 and len(starts) <= count:
            step = min(_CHUNK, position)
            position -= step
            block = os.pread(descriptor, step, position) + block
            starts = _whole_line_starts(block, position)
            if len(block) > 64 * _CHUNK:
                break
        return starts[-count] if len(starts) >= count else (starts[0] if starts and position else 0)
    finally:
        os.close(descriptor)


def _whole_line_starts(block: bytes, base: int) -> list[int]:
    """The offsets at which whole log lines begin in a block that may begin within one."""
    starts: list[int] = []
    offset = 0
    follows_part = False
    for index, line in enumerate(block.split(b"\n")):
        is_known_start = index > 0 or base == 0
        if is_known_start and line and not follows_part:
            starts.append(base + offset)
        record = parse(line) if line else None
        follows_part = record is not None and record.is_partial
        offset += len(line) + 1
    return starts
