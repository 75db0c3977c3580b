"""Processes as ``ps -ef`` lists them, read from ``/proc`` (proc_pid_stat(5)); the row is made purely."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterable

import attrs

TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")

_PTS_MAJORS = range(136, 144)
_DAY = 86400


@attrs.frozen(kw_only=True)
class Clock:
    """What turns the kernel's ticks into times: ticks a second, when the machine booted, now (Unix)."""

    ticks: int
    booted: float
    now: float


def rows_of(pids: Iterable[int]) -> list[tuple[str, ...]]:
    """A row for each process that lives, by pid."""
    clock = _clock()
    found = []
    for pid in sorted(pids):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                stat = file.read()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
            found.append(row_of(stat, command, _user_name(os.stat(f"/proc/{pid}").st_uid), clock))
    return found


def row_of(stat: str, command: bytes, user: str, clock: Clock) -> tuple[str, ...]:
    """One row; a process without a command line shows its name in brackets, as kernel threads do."""
    opening, closing = stat.index("("), stat.rindex(")")
    name = stat[opening + 1 : closing]
    fields = stat[closing + 2 :].split()
    used = (int(fields[11]) + int(fields[12])) / clock.ticks
    started = clock.booted + int(fields[19]) / clock.ticks
    elapsed = max(1.0, clock.now - started)
    words = command.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", errors="replace")
    return (
        user,
        stat[: opening - 1],
        fields[1],
        str(min(99, int(100 * used / elapsed))),
        _moment(started, clock.now),
        terminal_name(int(fields[4])),
        _span(int(used)),
        words or f"[{name}]",
    )


def terminal_name(device: int) -> str:
    """``pts/3``, ``tty1``, or ``?`` for none (the number is coded as in makedev(3))."""
    major = device >> 8 & 0xFFF
    minor = device & 0xFF | device >> 12 & 0xFFF00
    if major in _PTS_MAJORS:
        return f"pts/{minor + 256 * (major - 136)}"
    return f"tty{minor}" if major == 4 else "?"


def _moment(started: float, now: float) -> str:
    return time.strftime("%H:%M" if now - started < _DAY else "%b%d", time.localtime(started))


def _span(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _clock() -> Clock:
    booted = 0.0
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.startswith("btime "):
                booted = float(line.split()[1])
    return Clock(ticks=os.sysconf("SC_CLK_TCK"), booted=booted, now=time.time())
