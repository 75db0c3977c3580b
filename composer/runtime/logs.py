"""Container logs as conmon writes them (``k8s-file``): one record a line.

``2026-11-23T18:00:00.123456789+00:00 stdout F text``; ``P`` marks a part of a line that conmon cut.
Reading is bounded: a record longer than ``LONGEST`` is cut into parts, so a line of a gigabyte never
sits in memory.  Text is returned raw; escaping is the renderer's business.
"""

from __future__ import annotations

import contextlib
import functools
import os
from datetime import datetime
from pathlib import Path

import attrs

from composer.runtime import logfiles

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
    """RFC 3339 with nanoseconds."""
    head, dot, rest = timestamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    try:
        whole = _whole_seconds(head + rest[len(digits) :])
        return whole + float(f"0.{digits or '0'}") if dot else whole
    except ValueError:
        return None


@functools.lru_cache(maxsize=256)
def _whole_seconds(timestamp: str) -> float:
    """Thousands of lines share a second: it is read once."""
    return datetime.fromisoformat(timestamp).timestamp()


class LogFollower:
    """Reads what was appended since the last read, oldest file first, over any number of rotations.

    Survives truncation and a file that comes late.  When the file it reads is no longer the one being
    written, it is read to its end, then the next newer one.
    """

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._from_end = from_end
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
            while not data and self._open_next():
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
        """Open the first file: the oldest, or with ``from_end`` the one being written."""
        if self._descriptor < 0:
            files = (self._path,) if self._from_end else logfiles.chain(self._path)
            self._from_end = False
            return any(self._opened(file) for file in files)
        return True

    def _open_next(self) -> bool:
        """At the end of a file that was replaced: go to the next newer one."""
        ours = os.fstat(self._descriptor)
        try:
            if self._path.stat().st_ino == ours.st_ino:
                return False
        except OSError:
            return False
        files = logfiles.chain(self._path)
        place = next((at for at, file in enumerate(files) if _inode_of(file) == ours.st_ino), -1)
        # A record that the monitor wrote in its last moment before it turned to the next file.
        if os.fstat(self._descriptor).st_size > self._offset:
            return False
        before = self._descriptor
        if not any(self._opened(file) for file in files[place + 1 :]):
            return False
        os.close(before)
        self._offset, self._rest = 0, b""
        return True

    def _opened(self, file: Path) -> bool:
        try:
            self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        return True


def _inode_of(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def read_records(log: Path, *, tail: int | None = None) -> list[LogRecord]:
    """Every record of a log, or the last ``tail`` whole lines of it, over all its files."""
    found: list[list[LogRecord]] = []
    for path in reversed(logfiles.chain(log)):
        records = _records_in(path, tail)
        found.append(records)
        if tail is not None:
            tail -= sum(not record.is_partial for record in records)
            if tail <= 0:
                break
    return [record for records in reversed(found) for record in records]


def _records_in(path: Path, tail: int | None) -> list[LogRecord]:
    """What one file holds; a record that is still being written is left out."""
    start = 0 if tail is None else _offset_of_tail(path, tail)
    found = []
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        file.seek(start)
        for line in iter(functools.partial(file.readline, LONGEST * 2), b""):
            record = parse(line.removesuffix(b"\n")) if line.endswith(b"\n") or len(line) > LONGEST else None
            if record is not None:
                found.append(record)
    return found


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
