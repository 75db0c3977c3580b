"""``watch``: what is saved on the host is soon what runs."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.scenarios.conftest import COMPOSER, Stack, Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

WATCHED = """
services:
  web:
    build: {context: ., dockerfile_inline: "FROM busybox\\nCOPY lock /lock\\n"}
    command: sleep 1000
    stop_signal: SIGKILL
    develop:
      watch:
        - {action: sync, path: ./src, target: /app/src, initial_sync: true, ignore: [ignored]}
        - {action: sync+restart, path: ./conf, target: /etc/conf}
        - {action: sync+exec, path: ./hook, target: /hook, exec: {command: [sh, -c, "cat /hook > /ran"]}}
        - {action: rebuild, path: ./lock}
"""


def inside(stack: Stack, path: str) -> str:
    done = stack.call("exec", "-T", "web", "cat", path)
    return done.stdout if done.returncode == 0 else ""


def test_every_action(store: Store) -> None:
    stack = store.stack("watched", WATCHED, lock="1", conf="a", hook="a")
    source: Path = stack.directory / "src"
    source.mkdir()
    (source / "first").write_text("here from the start")
    program = subprocess.Popen(
        [str(COMPOSER), "watch"],
        cwd=stack.directory,
        env=stack.store.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert program.stdout is not None
        while "Watch enabled" not in (line := program.stdout.readline()):
            assert line, "it ended"
        assert inside(stack, "/app/src/first") == "here from the start"
        (source / "deep").mkdir()
        (source / "deep" / "file").write_text("synced")
        (source / "ignored").write_text("x")
        eventually(lambda: inside(stack, "/app/src/deep/file") == "synced")
        assert inside(stack, "/app/src/ignored") == ""
        (source / "first").unlink()
        eventually(lambda: inside(stack, "/app/src/first") == "")
        before = stack.pid("web-1")
        (stack.directory / "conf").write_text("b")
        eventually(lambda: stack.pid("web-1") not in (0, before))
        eventually(lambda: inside(stack, "/etc/conf") == "b")
        (stack.directory / "hook").write_text("ran")
        eventually(lambda: inside(stack, "/ran") == "ran")
        image = stack.rows()["web-1"]["ImageID"]
        (stack.directory / "lock").write_text("2")
        eventually(lambda: inside(stack, "/lock") == "2", within=30)
        assert stack.rows()["web-1"]["ImageID"] != image
    finally:
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "Traceback" not in said
    assert stack.rows()["web-1"]["State"] == "running"


def test_an_attached_stack_is_watched(store: Store) -> None:
    stack = store.stack("both", WATCHED, lock="1", conf="a", hook="a")
    (stack.directory / "src").mkdir()
    program = stack.start("up", "--watch")
    try:
        assert program.stdout is not None
        while "Watch enabled" not in (line := program.stdout.readline()):
            assert line, "it ended"
        (stack.directory / "src" / "file").write_text("synced")
        eventually(lambda: inside(stack, "/app/src/file") == "synced")
    finally:
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=20)
    assert program.returncode == 130
    assert "Traceback" not in said
    assert stack.rows()["web-1"]["State"] == "exited"


def test_nothing_to_watch(store: Store) -> None:
    stack = store.stack("blind", "services:\n  a: {image: busybox, command: sleep 9}\n")
    began = time.monotonic()
    done = stack.call("watch", "--no-up")
    assert (done.returncode, "develop.watch" in done.stderr) == (16, True)
    assert time.monotonic() - began < 20
