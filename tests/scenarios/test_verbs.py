"""The verbs on a stack that runs: what each changes, seen from the kernel or from inside."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.scenarios.conftest import Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

TWO = """
services:
  web:
    image: busybox
    command: sh -c 'while :; do date +%s%N > /tmp/beat; usleep 10000; done'
    stop_signal: SIGKILL
    ports: ["127.0.0.1::80", "127.0.0.1::53/udp"]
    depends_on: {db: {condition: service_started, restart: true}}
  db:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: ["data:/data"]
volumes: {data: {}}
"""


def beat_of(stack: object) -> str:
    pid = stack.pid("web-1")  # type: ignore[attr-defined]
    return Path(f"/proc/{pid}/root/tmp/beat").read_text()


def test_create_starts_nothing_and_start_does(store: Store) -> None:
    stack = store.stack("create", TWO)
    stack.ok("create")
    assert {name: row["State"] for name, row in stack.rows().items()} == {
        "db-1": "created",
        "web-1": "created",
    }
    stack.ok("start")
    assert {row["State"] for row in stack.rows().values()} == {"running"}
    stack.ok("down")


def test_a_dry_run_changes_nothing(store: Store) -> None:
    stack = store.stack("dry", TWO)
    said = stack.ok("--dry-run", "up", "-d")
    assert "DRY-RUN MODE - #" in said
    assert f"create container {stack.name}-web-1" in said
    assert stack.rows() == {}
    assert not (store.run / "stacks" / stack.name).exists()
    assert stack.call("exec", "--dry-run", "web", "true").returncode == 16


def test_pause_freezes_every_process(store: Store) -> None:
    stack = store.stack("pause", TWO)
    stack.ok("up", "-d")
    eventually(lambda: beat_of(stack))
    stack.ok("pause", "web")
    assert stack.rows()["web-1"]["State"] == "paused"
    assert "(Paused)" in str(stack.rows()["web-1"]["Status"])
    assert f"{stack.name}-web-1" in stack.ok("ps")
    before = beat_of(stack)
    time.sleep(0.1)  # the thing under test is that nothing happens
    assert beat_of(stack) == before
    refused = stack.call("exec", "web", "true")
    assert (refused.returncode, "paused" in refused.stderr) == (1, True)
    stack.ok("unpause")
    eventually(lambda: beat_of(stack) != before)
    assert stack.ok("unpause") == "nothing to do\n"


def test_what_is_paused_can_be_stopped_and_adopted(store: Store) -> None:
    stack = store.stack("frozen", TWO)
    stack.ok("up", "-d")
    stack.ok("pause", "web")
    import os
    import signal

    os.kill(stack.supervisor, signal.SIGKILL)
    assert stack.rows()["web-1"]["State"] == "paused"
    began = time.monotonic()
    stack.ok("stop", "-t", "5", "web")
    assert time.monotonic() - began < 4
    assert stack.rows()["web-1"]["State"] == "exited"


def test_scale_port_ls_volumes_rm(store: Store) -> None:
    stack = store.stack("many", TWO)
    stack.ok("up", "-d")
    stack.ok("scale", "web=3")
    assert sorted(stack.rows()) == ["db-1", "web-1", "web-2", "web-3"]
    published = {
        row["PublishedPort"] for row in stack.rows()["web-2"]["Publishers"] if row["TargetPort"] == 80
    }
    assert stack.ok("port", "--index", "2", "web", "80") == f"127.0.0.1:{published.pop()}\n"
    listed = {row["Name"]: row for row in json.loads(stack.ok("ls", "--format", "json"))}
    assert listed[stack.name]["Status"] == "running(4)"
    assert listed[stack.name]["ConfigFiles"] == str(stack.directory / "compose.yaml")
    assert stack.ok("volumes", "-q") == f"{stack.name}_data\n"
    assert stack.ok("volumes", "-q", "web") == ""
    stack.ok("stop", "web")
    stack.ok("rm", "-f", "web")
    assert sorted(stack.rows()) == ["db-1"]
    assert stack.name in stack.ok("ls", "-q")
    stack.ok("stop")
    assert stack.name not in stack.ok("ls", "-q").split()
    assert stack.name in stack.ok("ls", "-qa").split()
    stack.ok("down", "-v")


def test_a_restart_takes_those_along_who_asked_for_it(store: Store) -> None:
    stack = store.stack("follow", TWO)
    stack.ok("up", "-d")
    before = {name: stack.pid(name) for name in ("db-1", "web-1")}
    stack.ok("restart", "--no-deps", "db")
    assert stack.pid("web-1") == before["web-1"]
    assert stack.pid("db-1") != before["db-1"]
    stack.ok("restart", "db")
    assert stack.pid("web-1") != before["web-1"]


def test_wait_ends_as_the_container_did(store: Store) -> None:
    stack = store.stack(
        "wait", "services:\n  t: {image: busybox, command: sh -c 'sleep 0.3; exit 3', network_mode: none}\n"
    )
    stack.ok("up", "-d")
    done = stack.call("wait", "t")
    assert done.returncode == 3
    assert done.stdout.endswith("exited with status code 3\n")
    stack.ok("start")
    assert stack.call("wait", "--down-project", "t").returncode == 3
    eventually(lambda: stack.rows() == {})


def test_no_recreate_and_parallel(store: Store) -> None:
    stack = store.stack("keep", TWO)
    stack.ok("--parallel", "1", "up", "-d")
    before = stack.pid("db-1")
    text = (stack.directory / "compose.yaml").read_text().replace("sleep 1000", "sleep 2000")
    (stack.directory / "compose.yaml").write_text(text)
    assert stack.ok("up", "-d", "--no-recreate") == "nothing to do\n"
    assert stack.pid("db-1") == before
    stack.ok("up", "-d")
    assert stack.pid("db-1") != before


def test_anonymous_volumes_outlive_their_container_until_they_are_renewed(store: Store) -> None:
    text = """
services:
  db: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, volumes: [/data], environment: {V: "1"}}
"""
    stack = store.stack("anonymous", text)

    def has_row() -> bool:
        return stack.call("exec", "-T", "db", "test", "-e", "/data/row").returncode == 0

    stack.ok("up", "-d")
    stack.ok("exec", "-T", "db", "touch", "/data/row")
    (stack.directory / "compose.yaml").write_text(f"name: {stack.name}\n" + text.replace('"1"', '"2"'))
    stack.ok("up", "-d")
    assert stack.ok("exec", "-T", "db", "sh", "-c", "echo $V") == "2\n"
    assert has_row()
    stack.ok("up", "-d", "--force-recreate", "-V")
    assert not has_row()
    stack.ok("exec", "-T", "db", "touch", "/data/row")
    stack.ok("down")
    stack.ok("up", "-d")
    assert not has_row()


def test_top_and_stats_see_the_processes(store: Store) -> None:
    stack = store.stack("seen", TWO)
    stack.ok("up", "-d")
    pids = {line.split()[3]: line for line in stack.ok("top", "web").splitlines()[1:]}
    assert "sh -c" in pids[str(stack.pid("web-1"))]
    row = json.loads(stack.ok("stats", "--no-stream", "--format", "json", "web"))
    assert row["Name"] == f"{stack.name}-web-1"
    assert float(row["CPUPerc"].rstrip("%")) > 0
    assert int(row["PIDs"]) >= 1
    name = f"{stack.name}-db-1"
    assert stack.ok("container", "top", name, "-o", "pid,args").splitlines()[1].endswith("sleep 1000")
    assert stack.ok("container", "stats", "--no-stream", "--format", "{{.Name}}", name) == f"{name}\n"
    done = stack.call("container", "exec", "-e", "X=1", name, "sh", "-c", "echo $X; exit 3")
    assert (done.returncode, done.stdout) == (3, "1\n")
