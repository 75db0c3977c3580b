"""How things end when they do not want to: stubborn containers (F33), terminals that are gone (F35)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.scenarios.conftest import COMPOSER, Stack, Store, eventually
from tests.terminals import User, user

pytestmark = [pytest.mark.root, pytest.mark.scenario]

STUBBORN = """
services:
  deaf:
    image: busybox
    command: sh -c 'trap "" TERM INT; echo deaf; while :; do sleep 0.1; done'
    stop_grace_period: 60s
"""
GENTLE = """
services:
  web:
    image: busybox
    command: sh -c 'trap "echo bye; exit 0" TERM; echo here; while :; do sleep 0.1; done'
  db:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
"""


def at_terminal(stack: Stack, *argv: str):
    environment = {**stack.store.environment, "TERM": "xterm", "NO_COLOR": "1"}
    return user([str(COMPOSER), *argv], directory=stack.directory, environment=environment)


def states(stack: Stack) -> dict[str, object]:
    return {name: row["State"] for name, row in stack.rows().items()}


def test_whoever_ignores_the_stop_signal_is_killed_after_the_grace(store: Store) -> None:
    stack = store.stack("deaf", STUBBORN)
    stack.ok("up", "-d")
    stack.ok("exec", "-d", "deaf", "sh", "-c", 'trap "" TERM; while :; do sleep 0.1; done')
    began = time.monotonic()
    stack.ok("stop", "-t", "1")
    assert 1.0 <= time.monotonic() - began < 5
    assert stack.rows()["deaf-1"]["ExitCode"] == 137
    stack.ok("start")
    began = time.monotonic()
    stack.ok("down", "-t", "1")
    assert time.monotonic() - began < 6


def test_what_a_dead_first_process_leaves_is_swept(store: Store) -> None:
    """With the host's pid namespace nobody but us ends the children."""
    marker = f"31{os.getpid()}"
    text = f"""
services:
  parent:
    image: busybox
    pid: host
    command: sh -c 'sleep {marker} & sleep {marker} & exit 3'
"""
    stack = store.stack("left", text)
    stack.ok("up", "-d")
    eventually(lambda: states(stack)["parent-1"] == "exited")
    assert stack.rows()["parent-1"]["ExitCode"] == 3

    def survivors() -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if f"sleep\0{marker}".encode() in path.read_bytes():
                    found.append(path.parent.name)
            except OSError:
                continue
        return found

    eventually(lambda: survivors() == [])


def test_a_first_process_that_collects_nobody_can_be_stopped(store: Store) -> None:
    """A container full of zombies."""
    text = """
services:
  z:
    image: busybox
    command: sh -c '(for i in 1 2 3 4 5; do sleep 0.05 & done; exec sleep 1000) & exec sleep 2000'
"""
    stack = store.stack("zombies", text)
    stack.ok("up", "-d")
    began = time.monotonic()
    stack.ok("stop", "-t", "1")
    assert time.monotonic() - began < 5


def attached(me: User) -> None:
    me.sees("Attaching to")
    me.sees("here")


def test_ctrl_c_once_stops_in_order(store: Store) -> None:
    stack = store.stack("once", GENTLE)
    with at_terminal(stack, "up") as me:
        attached(me)
        me.type("\x03")
        me.sees("Gracefully Stopping")
        me.sees("bye")
        assert me.code() == 130
    assert set(states(stack).values()) == {"exited"}
    assert {row["ExitCode"] for row in stack.rows().values()} == {0}


def test_ctrl_c_twice_is_quick(store: Store) -> None:
    stack = store.stack("twice", STUBBORN)
    with at_terminal(stack, "up") as me:
        me.sees("Attaching to")
        me.sees("deaf")
        me.type("\x03")
        me.sees("Gracefully Stopping")
        began = time.monotonic()
        me.type("\x03")
        assert me.code() == 130
        assert time.monotonic() - began < 8
    assert stack.rows()["deaf-1"]["ExitCode"] == 137


def test_a_terminal_that_is_gone_stops_the_stack_in_order(store: Store) -> None:
    stack = store.stack("gone", GENTLE)
    with at_terminal(stack, "up") as me:
        attached(me)
        me.hang_up()
        me.code()
    eventually(lambda: set(states(stack).values()) == {"exited"})
    assert {row["ExitCode"] for row in stack.rows().values()} == {0}
    assert not list(store.run.glob("error-*"))  # where tracebacks go


def test_a_detached_stack_outlives_the_terminal(store: Store) -> None:
    stack = store.stack("stays", GENTLE)
    with at_terminal(stack, "up", "-d") as me:
        assert me.code() == 0
        me.hang_up()
    assert set(states(stack).values()) == {"running"}
    os.kill(stack.supervisor, signal.SIGHUP)
    assert set(states(stack).values()) == {"running"}
    stack.ok("down", "-t", "2")
