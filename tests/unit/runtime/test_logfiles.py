"""Rotation, with the monitor played by hand: it replaces the log and never asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.runtime import logfiles, logs


class Monitor:
    """Writes numbered records and replaces the file, as conmon does."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.count = 0

    def write(self, records: int = 1) -> None:
        with open(self.log, "ab") as file:
            for _ in range(records):
                file.write(b"2026-01-01T00:00:00.%09d+00:00 stdout F %d\n" % (self.count, self.count))
                self.count += 1

    def replace(self) -> None:
        fresh = self.log.with_name("log.tmp")
        fresh.touch()
        fresh.rename(self.log)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def _numbers(log: Path, tail: int | None = None) -> list[int]:
    return [int(record.text) for record in logs.read_records(log, tail=tail)]


def test_what_is_replaced_is_numbered_and_the_oldest_goes(log: Path) -> None:
    logfiles.prepare(log, 3)
    monitor = Monitor(log)
    for _ in range(5):
        monitor.write(2)
        monitor.replace()
        logfiles.shift(log, 3)
    monitor.write()
    assert sorted(path.name for path in log.parent.iterdir()) == ["log", "log.1", "log.2", "log.held"]
    assert _numbers(log) == [6, 7, 8, 9, 10]


def test_nothing_is_lost_before_anybody_looked(log: Path) -> None:
    logfiles.prepare(log, 2)
    monitor = Monitor(log)
    monitor.write(3)
    monitor.replace()
    monitor.write(1)
    assert _numbers(log) == [0, 1, 2, 3]
    assert _numbers(log, tail=2) == [2, 3]


def test_a_log_that_nobody_keeps_stays_within_its_bound(log: Path) -> None:
    logfiles.prepare(log, 3)
    monitor = Monitor(log)
    for _ in range(10):
        monitor.write(1)
        monitor.replace()
    assert len(list(log.parent.iterdir())) == 2  # the log and what was held


def test_shifting_without_a_replacement_changes_nothing(log: Path) -> None:
    logfiles.prepare(log, 3)
    Monitor(log).write()
    before = {path.name: path.stat().st_ino for path in log.parent.iterdir()}
    logfiles.shift(log, 3)
    assert {path.name: path.stat().st_ino for path in log.parent.iterdir()} == before


def test_one_file_is_not_held(log: Path) -> None:
    logfiles.prepare(log, 3)
    logfiles.prepare(log, 1)
    assert [path.name for path in log.parent.iterdir()] == ["log"]


def test_a_killed_shift_is_done_again(log: Path) -> None:
    logfiles.prepare(log, 3)
    monitor = Monitor(log)
    monitor.write()
    monitor.replace()
    (log.parent / "log.held").rename(log.parent / "log.1")  # killed before it held the new file
    (log.parent / "log.held.new").touch()  # killed while it did
    logfiles.shift(log, 3)
    monitor.write()
    assert _numbers(log) == [0, 1]
    assert (log.parent / "log.held").stat().st_ino == log.stat().st_ino


def test_a_follower_reads_on_over_rotations(log: Path) -> None:
    logfiles.prepare(log, 3)
    monitor = Monitor(log)
    follower = logs.LogFollower(log)
    seen: list[int] = []

    def read() -> None:
        while records := follower.read_new():
            seen.extend(int(record.text) for record in records)

    monitor.write(2)
    read()
    monitor.write(1)
    monitor.replace()
    logfiles.shift(log, 3)
    monitor.write(1)
    monitor.replace()  # nobody shifted this one yet
    monitor.write(1)
    read()
    monitor.write(1)
    read()
    assert seen == list(range(6))
    follower.close()


def test_a_follower_that_was_left_behind_goes_on_with_the_oldest(log: Path) -> None:
    logfiles.prepare(log, 2)
    monitor = Monitor(log)
    follower = logs.LogFollower(log)
    monitor.write(1)
    assert len(follower.read_new()) == 1
    for _ in range(4):
        monitor.write(1)
        monitor.replace()
        logfiles.shift(log, 2)
    assert [int(record.text) for record in follower.read_new()] == [1]  # its own file, to the end
    assert [int(record.text) for record in follower.read_new()] == [4]
    follower.close()
