"""Containers that run out of memory (F14), multiply (F16) or do not want to die (F33)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.scenarios.conftest import Stack, Store, eventually, store  # noqa: F401 -- ``store`` is a fixture

pytestmark = [pytest.mark.root, pytest.mark.scenario]

BOUNDED = 6.0
"""Seconds that a stop with a grace of one may take on a busy machine."""


def _inspected(stack: Stack, container: str) -> dict[str, object]:
    (found,) = json.loads(stack.ok("container", "inspect", f"{stack.name}-{container}"))
    state = found["State"]
    assert isinstance(state, dict)
    return {**state, "RestartCount": found["RestartCount"]}


def test_out_of_memory_is_told_and_the_policy_has_its_say(store: Store) -> None:  # noqa: F811
    """F14."""
    stack = store.stack(
        "oom",
        """services:
  once: {image: busybox, mem_limit: 16m, command: [tail, /dev/zero]}
  again: {image: busybox, mem_limit: 16m, restart: "on-failure:2", command: [tail, /dev/zero]}
  neighbour: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}
""",
    )
    stack.ok("up", "-d")
    eventually(lambda: _inspected(stack, "once-1")["Status"] == "exited", within=30)
    found = _inspected(stack, "once-1")
    assert (found["OOMKilled"], found["ExitCode"]) == (True, 137)
    again = lambda: _inspected(stack, "again-1")  # noqa: E731
    eventually(lambda: (again()["Status"], again()["RestartCount"]) == ("exited", 2), within=30)
    assert again()["OOMKilled"] is True
    assert _inspected(stack, "neighbour-1")["Status"] == "running"
    assert _events(stack).count("oom") == 4
    stack.ok("down")


def _events(stack: Stack) -> list[str]:
    """What happened to the stack's containers so far, as its journal has it."""
    listening = stack.start("events", "--json", "--since", "0")
    assert listening.stdout is not None
    found: list[str] = []
    try:
        for line in listening.stdout:
            found.append(str(json.loads(line)["action"]))
            if found.count("die") == 4:
                return found
    finally:
        listening.kill()
        listening.communicate()
    return found


def test_a_container_that_multiplies_is_bounded_and_can_be_stopped(store: Store) -> None:  # noqa: F811
    """F16: the host forks on, and stopping is bounded."""
    stack = store.stack(
        "bomb",
        """services:
  a: {image: busybox, pids_limit: 64, command: [sh, -c, 'b() { b | b & }; b; while :; do wait; sleep 0.1; done']}
""",
    )
    stack.ok("up", "-d")
    pid = stack.pid("a-1")
    cgroup = _cgroup_of(pid)
    eventually(lambda: int((cgroup / "pids.current").read_text()) >= 60 or _was_refused(cgroup), within=20)
    assert int((cgroup / "pids.current").read_text()) <= 64
    assert subprocess.run(["true"], check=False).returncode == 0
    begun = time.monotonic()
    stack.ok("stop", "-t", "1")
    assert time.monotonic() - begun < BOUNDED
    assert not cgroup.exists()
    stack.ok("down")


def _cgroup_of(pid: int) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "pids":
            return Path("/sys/fs/cgroup/pids") / path.lstrip("/")
        unified = Path("/sys/fs/cgroup") / path.lstrip("/")
        if not controllers and (unified / "pids.current").exists():
            return unified
    pytest.skip("this host has no pids controller")


def _was_refused(cgroup: Path) -> bool:
    return "max 0" not in (cgroup / "pids.events").read_text()


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("deaf", "trap '' TERM INT HUP; while :; do sleep 0.1; done"),
        (
            "deaf-children",
            "trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & while :; do sleep 0.1; done",
        ),
        ("stopped", "kill -STOP 2 & sleep 1000 & trap '' TERM; while :; do sleep 0.1; done"),
        (
            "zombies",
            "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; trap '' TERM; while :; do sleep 0.1; done",
        ),
    ],
)
def test_whoever_ignores_sigterm_is_killed_in_time(store: Store, name: str, script: str) -> None:  # noqa: F811
    """F33."""
    stack = store.stack(
        name,
        "services: {a: {image: busybox, command: [sh, -c, 'SCRIPT']}}\n".replace(
            "SCRIPT", script.replace("'", "''")
        ),
    )
    stack.ok("up", "-d")
    pid = stack.pid("a-1")
    eventually(lambda: len(_processes_in_namespace_of(pid)) > 1)
    inside = _processes_in_namespace_of(pid)
    begun = time.monotonic()
    stack.ok("stop", "-t", "1")
    assert 0.9 <= time.monotonic() - begun < BOUNDED
    assert _inspected(stack, "a-1")["ExitCode"] == 137
    assert not [process for process in inside if Path(f"/proc/{process}").exists()]
    stack.ok("down")


def test_the_end_of_process_1_is_the_end_of_its_children(store: Store) -> None:  # noqa: F811
    """F33: no orphan, and the exit code is that of process 1."""
    stack = store.stack(
        "orphans",
        """services:
  a:
    image: busybox
    command: [sh, -c, 'for i in 1 2 3; do (trap "" TERM; exec sleep 1000) & done; touch /ready; sleep 0.5; exit 7']
""",
    )
    stack.ok("up", "-d")
    pid = stack.pid("a-1")
    inside = _processes_in_namespace_of(pid)
    eventually(lambda: stack.rows()["a-1"]["State"] == "exited")
    assert _inspected(stack, "a-1")["ExitCode"] == 7
    assert not [process for process in inside if Path(f"/proc/{process}").exists()]
    stack.ok("down")


def _processes_in_namespace_of(pid: int) -> list[int]:
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns" / "pid") == namespace:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
