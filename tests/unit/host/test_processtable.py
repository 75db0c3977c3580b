"""Rows of ``top``."""

import os

import pytest

from composer.host import processtable
from composer.host.processtable import Clock

CLOCK = Clock(ticks=100, booted=1_000_000.0, now=1_000_500.0)


def stat(pid: int, name: str, tty: int = 0, used: int = 0, started: int = 0) -> str:
    fields = ["S", "1", "0", "0", str(tty), *["0"] * 6, str(used), "0", *["0"] * 6, str(started), "0"]
    return f"{pid} ({name}) {' '.join(fields)}\n"


def test_a_row() -> None:
    row = processtable.row_of(stat(7, "a) (b", used=366_500, started=10_000), b"sh\0-c\0x y\0", "root", CLOCK)
    assert row[:4] == ("root", "7", "1", "99")
    assert row[5:] == ("?", "01:01:05", "sh -c x y")


def test_without_a_command_line_the_name_is_shown() -> None:
    assert processtable.row_of(stat(7, "kworker/0"), b"", "root", CLOCK)[-1] == "[kworker/0]"


@pytest.mark.parametrize(
    ("device", "name"),
    [
        (0, "?"),
        (136 << 8 | 3, "pts/3"),
        (137 << 8 | 1, "pts/257"),
        (4 << 8 | 1, "tty1"),
        (136 << 8 | 1 << 20, "pts/256"),
    ],
)
def test_terminals(device: int, name: str) -> None:
    assert processtable.terminal_name(device) == name


def test_ourselves_and_nobody() -> None:
    me = os.getpid()
    ((_, pid, ppid, *_),) = processtable.rows_of([me, 2**22 + 1])
    assert (pid, ppid) == (str(me), str(os.getppid()))
