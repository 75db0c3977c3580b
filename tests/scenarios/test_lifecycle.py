"""What a user sees over the life of a stack: plans, causes, data, restarts, drift."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request

import pytest

from tests.scenarios.conftest import Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

WEB = """
services:
  web:
    image: busybox
    command: sh -c 'mkdir -p /www && echo "$$GREETING" > /www/index.html && exec httpd -f -p 80 -h /www'
    environment:
      GREETING: ${GREETING:-hello}
    ports: ["127.0.0.1::80"]
    stop_signal: SIGKILL
    restart: always
    depends_on:
      db: {condition: service_healthy}
  db:
    image: busybox
    command: sh -c 'echo row >> /data/rows && exec sleep 1000'
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    healthcheck: {test: ["CMD", "test", "-s", "/data/rows"], interval: 1s}
volumes:
  data: {}
"""


def output_of(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def page_of(stack: object) -> str:
    rows = stack.rows()  # type: ignore[attr-defined]
    port = rows["web-1"]["Publishers"][0]["PublishedPort"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def fetched() -> str:
        try:
            with opener.open(f"http://127.0.0.1:{port}/", timeout=2) as answer:
                return answer.read().decode()
        except OSError:
            return ""

    return str(eventually(fetched))


def test_up_plan_change_data(store: Store) -> None:
    stack = store.stack("life", WEB)
    first = stack.call("plan")
    assert first.returncode == 2
    assert "service web has no container 1" in first.stdout
    stack.ok("up", "-d", "--wait")
    assert page_of(stack) == "hello\n"
    assert stack.call("plan").returncode == 0
    assert "nothing to do" in stack.ok("up", "-d")

    before = {name: stack.pid(name) for name in ("web-1", "db-1")}
    changed = stack.call("plan", GREETING="bonjour")
    assert changed.returncode == 2
    assert 'environment GREETING changed from "hello" to "bonjour"' in changed.stdout
    assert "db" not in changed.stdout.replace("db-1: it must", "")
    stack.ok("up", "-d", GREETING="bonjour")
    assert stack.pid("db-1") == before["db-1"]
    assert stack.pid("web-1") != before["web-1"]
    assert page_of(stack) == "bonjour\n"

    stack.ok("down")
    assert stack.rows() == {}
    stack.ok("up", "-d")
    assert stack.ok("exec", "-T", "db", "cat", "/data/rows") == "row\nrow\n"
    stack.ok("down", "-v")
    stack.ok("up", "-d")
    assert stack.ok("exec", "-T", "db", "cat", "/data/rows") == "row\n"
    stack.ok("down", "-v")


def test_supervisor_killed_nobody_notices(store: Store) -> None:
    stack = store.stack("adopt", WEB)
    stack.ok("up", "-d", "--wait")
    os.kill(stack.pid("web-1"), signal.SIGKILL)
    eventually(
        lambda: stack.rows()["web-1"]["RestartCount"] == 1 and stack.rows()["web-1"]["State"] == "running"
    )
    before = {name: row["Pid"] for name, row in stack.rows().items()}
    dead = stack.supervisor
    os.kill(dead, signal.SIGKILL)
    rows = stack.rows()  # revives it
    assert {name: row["Pid"] for name, row in rows.items()} == before
    assert rows["web-1"]["RestartCount"] == 1
    assert stack.supervisor != dead
    eventually(lambda: stack.call("exec", "-T", "web", "nslookup", "db").returncode == 0, within=2)
    assert stack.rows()["db-1"]["Health"] == "healthy"
    # Restarts go on under the new supervisor.
    os.kill(stack.pid("web-1"), signal.SIGKILL)
    eventually(lambda: stack.rows()["web-1"]["RestartCount"] == 2)
    stack.ok("down", "-v")


def test_container_killed_while_nobody_supervises(store: Store) -> None:
    stack = store.stack("alone", WEB)
    stack.ok("up", "-d")
    victim = stack.pid("web-1")
    os.kill(stack.supervisor, signal.SIGKILL)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: stack.rows()["web-1"]["State"] == "running" and stack.pid("web-1") not in (0, victim))
    stack.ok("down", "-v")


def test_drift_is_seen_and_healed(store: Store) -> None:
    stack = store.stack("drift", WEB)
    stack.ok("up", "-d")
    network = f"{stack.name}_default"
    listed = json.loads(output_of("ip", "-json", "link"))
    bridge = next(link["ifname"] for link in listed if link.get("ifalias") == f"composer network {network}")
    output_of("ip", "link", "delete", bridge)
    eventually(lambda: stack.call("exec", "-T", "web", "nslookup", "db").returncode == 0)
    eventually(lambda: stack.call("plan").returncode == 0)
    assert stack.ok("exec", "-T", "web", "ping", "-c", "1", "-W", "2", "db")
    stack.ok("down", "-v")


def test_scale_orphans_profiles(store: Store) -> None:
    stack = store.stack(
        "scale",
        """
services:
  idle: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}
  extra: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, profiles: [more]}
""",
    )
    stack.ok("up", "-d", "--scale", "idle=3")
    assert sorted(stack.rows()) == ["idle-1", "idle-2", "idle-3"]
    answer = stack.ok("exec", "-T", "idle", "nslookup", "idle")
    assert answer.count("Address") >= 4
    keep = stack.pid("idle-1")
    stack.ok("up", "-d")
    assert sorted(stack.rows()) == ["idle-1"]
    assert stack.pid("idle-1") == keep
    stack.ok("--profile", "more", "up", "-d")
    assert sorted(stack.rows()) == ["extra-1", "idle-1"]
    text = (stack.directory / "compose.yaml").read_text()
    (stack.directory / "compose.yaml").write_text(text.replace("extra:", "other:"))
    assert "orphan" in stack.ok("up", "-d")
    stack.ok("up", "-d", "--remove-orphans")
    assert sorted(stack.rows()) == ["idle-1"]
    stack.ok("down")


def test_secrets_configs_and_limits(store: Store) -> None:
    stack = store.stack(
        "files",
        """
services:
  one:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    init: true
    user: "33:33"
    read_only: true
    tmpfs: ["/scratch:size=1m"]
    secrets: [{source: password, mode: 0400, uid: "33"}]
    configs: [settings]
    mem_limit: 64m
    pids_limit: 50
    cap_drop: [ALL]
    cap_add: [NET_BIND_SERVICE]
secrets: {password: {file: ./password}}
configs: {settings: {content: "a=1"}}
""",
        password="open sesame",
    )
    stack.ok("up", "-d")
    run = lambda *argv: stack.ok("exec", "-T", "one", *argv)  # noqa: E731
    assert run("cat", "/run/secrets/password") == "open sesame"
    assert run("stat", "-c", "%a %u", "/run/secrets/password").split() == ["400", "33"]
    assert run("cat", "/settings") == "a=1"
    assert run("id", "-u").strip() == "33"
    assert stack.call("exec", "-T", "one", "touch", "/x").returncode != 0
    run("touch", "/scratch/x")
    status = run("cat", "/proc/1/status")
    assert "CapBnd:\t0000000000000400" in status
    assert "Seccomp:\t2" in status
    marker = output_of("grep", "-rl", "open sesame", str(store.root / "data"))
    assert marker == ""
    (stack.directory / "password").write_text("changed")
    assert "secret /run/secrets/password changed content" in stack.call("plan").stdout
    stack.ok("up", "-d")
    assert run("cat", "/run/secrets/password") == "changed"
    stack.ok("down")


def test_failures_are_told(store: Store) -> None:
    stack = store.stack(
        "fail",
        """
services:
  bad: {image: busybox, command: sh -c 'echo the reason >&2; exit 3'}
  after: {image: busybox, command: sleep 10, depends_on: {bad: {condition: service_completed_successfully}}}
""",
    )
    done = stack.call("up", "-d")
    assert done.returncode == 1
    assert "bad-1 did not complete: it exited with 3" in done.stderr
    assert "the reason" in done.stderr
    assert "Traceback" not in done.stderr
    assert stack.rows()["after-1"]["State"] == "created"
    stack.ok("down")
    missing = store.stack("missing", "services: {a: {image: nowhere}}\n").call("up", "-d")
    assert missing.returncode == 18
    assert "image bootstrap" in missing.stderr
    assert "image import" in missing.stderr


def test_run_and_exit_codes(store: Store) -> None:
    stack = store.stack("oneoff", "services: {job: {image: busybox, command: echo usual}}\n")
    done = stack.call("run", "--rm", "-T", "job", "sh", "-c", "echo $0 $X; exit 4", "-e")
    assert done.returncode == 4
    assert stack.ok("run", "--rm", "-T", "-e", "X=1", "job", "sh", "-c", "echo $X") == "1\n"
    assert stack.call("up", "--exit-code-from", "job").returncode == 0
    stack.ok("down")
    assert stack.rows() == {}
