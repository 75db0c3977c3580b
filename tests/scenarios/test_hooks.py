"""``post_start`` and ``pre_stop``."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

HOOKED = """services:
  a:
    image: busybox
    user: "1000"
    environment: {OF_SERVICE: s}
    volumes: ["notes:/n", "./out:/out"]
    command: [sh, -c, 'trap "exit 0" TERM; while :; do sleep 0.05; done']
    post_start:
      - command: [sh, -c, 'id -u > /out/who; chmod 777 /n; pwd > /out/where; echo $$OF_SERVICE$$OF_HOOK > /out/what']
        user: root
        working_dir: /tmp
        environment: {OF_HOOK: h}
      - command: [sh, -c, 'grep CapEff /proc/self/status > /n/mine']
      - command: [sh, -c, 'grep CapEff /proc/self/status > /n/all']
        user: root
        privileged: true
    pre_stop:
      - command: [sh, -c, 'cat /n/mine /n/all > /out/caps; echo stopping > /out/last']
        user: root
  b:
    image: busybox
    depends_on: [a]
    volumes: ["./out:/out"]
    command: cat /out/what
volumes: {notes: {}}
"""


def test_hooks_run_as_they_say_and_before_dependents_start(store: Store) -> None:
    stack = store.stack("hooked", HOOKED)
    out = stack.directory / "out"
    out.mkdir()
    stack.ok("up", "-d")
    assert [(out / name).read_text() for name in ("who", "where", "what")] == ["0\n", "/tmp\n", "sh\n"]
    eventually(lambda: "sh" in stack.ok("logs", "b"))
    assert not (out / "last").exists()
    stack.ok("stop", "a")
    assert (out / "last").read_text() == "stopping\n"
    mine, everything = (int(line.split()[1], 16) for line in (out / "caps").read_text().splitlines())
    assert mine == 0  # of user 1000
    assert everything & 1 << 21  # CAP_SYS_ADMIN
    stack.ok("down", "-v")


def test_a_failing_post_start_fails_up_and_leaves_the_container_running(store: Store) -> None:
    stack = store.stack(
        "posthook",
        """services:
  a:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    post_start: [{command: [sh, -c, 'echo why it failed; exit 3']}, {command: [touch, /second]}]
  b: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, depends_on: [a]}
""",
    )
    done = stack.call("up", "-d")
    assert done.returncode == 1
    assert "post_start hook" in done.stderr
    assert "exited with 3\n  | why it failed" in done.stderr
    rows = stack.rows()
    assert (rows["a-1"]["State"], rows["b-1"]["State"]) == ("running", "created")
    assert stack.call("exec", "-T", "a", "ls", "/second").returncode != 0
    stack.ok("down")


def test_a_failing_pre_stop_keeps_it_running_but_not_from_going_down(store: Store) -> None:
    stack = store.stack(
        "prehook",
        """services:
  a:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    restart: always
    pre_stop: [{command: [sh, -c, 'echo not now; exit 4']}]
""",
    )
    stack.ok("up", "-d")
    done = stack.call("stop")
    assert done.returncode == 1
    assert "pre_stop hook" in done.stderr
    assert "not now" in done.stderr
    assert stack.rows()["a-1"]["State"] == "running"
    assert stack.call("down").returncode == 1
    assert stack.rows() == {}


def test_neither_kill_nor_a_restart_policy_runs_hooks(store: Store) -> None:
    stack = store.stack(
        "nohook",
        """services:
  a:
    image: busybox
    restart: on-failure
    volumes: ["./out:/out"]
    command: [sh, -c, 'echo run >> /out/runs; [ $$(wc -l < /out/runs) -gt 1 ] && exec sleep 1000; sleep 0.3; exit 1']
    post_start: [{command: [sh, -c, 'echo hook >> /out/hooks']}]
    pre_stop: [{command: [sh, -c, 'echo hook >> /out/hooks']}]
""",
    )
    out = stack.directory / "out"
    out.mkdir()
    stack.ok("up", "-d")
    eventually(lambda: (out / "runs").read_text().count("run") == 2)
    stack.ok("kill")
    assert (out / "hooks").read_text() == "hook\n"
    stack.ok("down")
