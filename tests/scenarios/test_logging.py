"""Logs: rotated while they are followed, never in the container's way, in the journal if asked for."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import Stack, Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

JOURNAL = Path("/run/systemd/journal/socket")
BURSTS, BURST = 10, 300
LINES = BURSTS * BURST
SCRIPT = f"""
for b in $$(seq {BURSTS}); do
  until [ -e /gate/$$b ]; do sleep 0.02; done
  for i in $$(seq $$((b * {BURST} - {BURST - 1})) $$((b * {BURST}))); do echo line $$i; done
done
touch /done; exec sleep 1000
"""


def _stack(store: Store, name: str) -> Stack:
    """Writes a burst of lines for each gate that is opened; some 18 kB each."""
    made = store.stack(
        name,
        f"""services:
  a:
    image: busybox
    stop_signal: SIGKILL
    volumes: ["./gate:/gate"]
    logging: {{driver: json-file, options: {{max-size: 20k, max-file: "4"}}}}
    healthcheck: {{test: [CMD, test, -e, /done], interval: 100ms, retries: 1000}}
    command: [sh, -c, '{" ; ".join(SCRIPT.strip().splitlines()).replace("do ;", "do").replace("; ; ", "; ")}']
""",
    )
    (made.directory / "gate").mkdir()
    return made


def _open(stack: Stack, gate: int) -> None:
    (stack.directory / "gate" / str(gate)).touch()


def _files(stack: Stack) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in _directory(stack).glob("log*")}


def _directory(stack: Stack) -> Path:
    return stack.store.root / "data" / "containers" / str(stack.rows()["a-1"]["ID"])


def _end(reader: subprocess.Popen[str]) -> None:
    reader.kill()
    reader.communicate()


def _numbers(text: str) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in text.splitlines() if " line " in line]


def test_logs_are_read_over_rotations_and_kept_within_their_bound(store: Store) -> None:
    stack = _stack(store, "rotated")
    follower = None
    followed = ""
    try:
        stack.ok("up", "-d")
        follower = stack.start("logs", "-f")
        assert follower.stdout is not None
        for burst in range(1, BURSTS + 1):
            _open(stack, burst)
            for line in follower.stdout:
                followed += line
                if line.rstrip().endswith(f" line {burst * BURST}"):
                    break
        assert _numbers(followed) == list(range(1, LINES + 1))  # who follows sees everything
        files = _files(stack)
        assert set(files) == {"log", "log.held", "log.1", "log.2", "log.3"}
        assert max(files.values()) <= 20_000
        kept = _numbers(stack.ok("logs"))
        assert kept == list(range(kept[0], LINES + 1))
        assert BURST < kept[0] < LINES - 2 * BURST  # more than one file, and less than all
        assert _numbers(stack.ok("logs", "--tail", "700")) == list(range(LINES - 699, LINES + 1))
    finally:
        if follower is not None:
            _end(follower)
        stack.ok("down", "-t", "0")


def test_neither_a_stopped_reader_nor_a_dead_supervisor_holds_the_container_up(store: Store) -> None:
    """F34: the monitor alone writes and replaces; the bound holds with nobody looking."""
    stack = _stack(store, "unkept")
    stack.ok("up", "-d")
    reader = stack.start("logs", "-f")
    try:
        os.kill(reader.pid, signal.SIGSTOP)
        directory = _directory(stack)
        os.kill(stack.supervisor, signal.SIGKILL)
        for gate in range(1, BURSTS + 1):
            _open(stack, gate)
        eventually((directory / "upper" / "done").exists, within=60)
        assert sum(path.stat().st_size for path in directory.glob("log*")) <= 5 * 20_000
        assert _numbers(stack.ok("logs", "--tail", "5")) == list(range(LINES - 4, LINES + 1))
    finally:
        _end(reader)
        stack.ok("down", "-t", "0")


def test_none_keeps_nothing(store: Store) -> None:
    stack = store.stack(
        "silent",
        "services: {a: {image: busybox, command: [echo, hello], logging: {driver: none}}}\n",
    )
    stack.ok("up", "-d")
    eventually(lambda: stack.rows()["a-1"]["State"] == "exited")
    assert _files(stack) == {}
    assert "hello" not in stack.ok("logs")
    stack.ok("down")


def test_what_changes_nothing_is_said_and_what_cannot_be_is_refused(store: Store) -> None:
    stack = store.stack(
        "idle",
        "services: {a: {image: busybox, command: [echo], logging: {options: {labels: a.b}}}}\n",
    )
    assert "logging.options.labels has no effect" in stack.ok("up", "-d")
    stack.ok("down")
    refused = store.stack("sys", "services: {a: {image: busybox, logging: {driver: syslog}}}\n").call("up")
    assert refused.returncode == 15
    assert "syslog sends output to another system" in refused.stderr


@pytest.fixture
def journal() -> Iterator[socket.socket]:
    """Somebody who listens where systemd-journald would."""
    if JOURNAL.exists():
        pytest.skip("this host has a journal")
    made = [path for path in (JOURNAL.parent, *JOURNAL.parent.parents) if not path.exists()]
    JOURNAL.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(JOURNAL))
        listener.settimeout(10)
        try:
            yield listener
        finally:
            JOURNAL.unlink()
            for path in made:
                path.rmdir()


JOURNALLED = """services:
  a:
    image: busybox
    command: [echo, hello]
    logging: {driver: journald, options: {tag: "of {{.Name}}"}}
"""


def test_the_journal_is_written_and_read_here_as_well(store: Store, journal: socket.socket) -> None:
    stack = store.stack("journal", JOURNALLED)
    stack.ok("up", "-d")
    record = journal.recv(65536)  # systemd's native protocol: KEY=value, or KEY, length and value
    assert re.search(rb"^MESSAGE\n.{8}hello\n", record, re.MULTILINE | re.DOTALL)
    assert b"SYSLOG_IDENTIFIER=of %s-a-1\n" % stack.name.encode() in record
    assert "hello" in stack.ok("logs")
    stack.ok("down")


def test_without_a_journal_it_is_refused(store: Store) -> None:
    if JOURNAL.exists():
        pytest.skip("this host has a journal")
    stack = store.stack("nojournal", JOURNALLED)
    done = stack.call("up", "-d")
    assert done.returncode == 22
    assert "this host runs no journal" in done.stderr
    stack.ok("down")
