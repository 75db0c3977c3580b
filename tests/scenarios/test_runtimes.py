"""``runtime``: another OCI runtime than the host's usual one."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.scenarios.conftest import Store

pytestmark = [pytest.mark.root, pytest.mark.scenario]

STACK = """services:
  usual: {{image: busybox, command: sleep 1000, stop_signal: SIGKILL}}
  other:
    image: busybox
    runtime: {runtime}
    command: sleep 1000
    stop_signal: SIGKILL
    healthcheck: {{test: [CMD, "true"], interval: 100ms}}
"""


def test_a_container_of_another_runtime_by_path(store: Store) -> None:
    """A wrapper of ours that notes every call: it makes, starts and executes, and only for that one."""
    real = shutil.which("runc")
    if real is None:
        pytest.skip("runc is not installed")
    wrapper, notes = store.root / "my-runtime", store.root / f"calls-{os.getpid()}"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {notes}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    stack = store.stack("runtimes", STACK.format(runtime=wrapper))
    stack.ok("up", "-d", "--wait")
    assert "0" in stack.ok("exec", "-T", "other", "id", "-u")
    assert "0" in stack.ok("exec", "-T", "usual", "id", "-u")
    ids = {name: str(row["ID"]) for name, row in stack.rows().items()}
    calls = notes.read_text()
    for verb in ("create", "start", "exec"):
        assert any(verb in line and ids["other-1"] in line for line in calls.splitlines()), calls
    assert ids["usual-1"] not in calls
    stack.ok("restart", "-t", "0", "other")
    stack.ok("down")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_container_of_another_runtime_by_name(store: Store, runtime: str) -> None:
    if shutil.which(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    stack = store.stack(runtime, STACK.format(runtime=runtime))
    stack.ok("up", "-d", "--wait")
    assert stack.rows()["other-1"]["State"] == "running"
    stack.ok("down")


def test_a_runtime_that_is_not_there(store: Store) -> None:
    stack = store.stack("noruntime", STACK.format(runtime="runsc-of-nobody"))
    done = stack.call("up", "-d")
    assert done.returncode == 22
    assert "there is no OCI runtime runsc-of-nobody on this host" in done.stderr
    stack.ok("down")
