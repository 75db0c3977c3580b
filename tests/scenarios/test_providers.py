"""``provider``: a program of the host that speaks Docker Compose's protocol."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scenarios.conftest import Stack, Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

PROGRAM = """#!/bin/sh
echo "$@" >> {notes}
[ "$1" = compose ] || exit 9
case "$4" in
  up)
    echo '{{"type": "info", "message": "making it"}}'
    echo '{{"type": "setenv", "message": "URL=of://'"$MOOD"'"}}'
    echo '{{"type": "debug", "message": "never shown"}}'
    {then}
    ;;
esac
"""

STACK = """services:
  db: {provider: {type: our-cloud, options: {size: big, tag: [a, b]}}}
  web:
    image: busybox
    depends_on: [db]
    stop_signal: SIGKILL
    command: [sh, -c, 'echo "url is $$DB_URL"; exec sleep 1000']
  other: {image: busybox, command: env, stop_signal: SIGKILL}
"""


def _made(store: Store, name: str, then: str = "") -> tuple[Stack, Path, dict[str, str]]:
    stack = store.stack(name, STACK)
    notes = stack.directory / "notes"
    program = stack.directory / "our-cloud"
    program.write_text(PROGRAM.format(notes=notes, then=then))
    program.chmod(0o755)
    return stack, notes, {"PATH": f"{stack.directory}:{os.environ['PATH']}", "MOOD": "sunny"}


def test_it_is_asked_and_its_variables_reach_who_depends_on_it(store: Store) -> None:
    stack, notes, environment = _made(store, "provided")
    said = stack.ok("up", "-d", **environment)
    assert "db: making it" in said
    assert "never shown" not in said
    assert notes.read_text() == f"compose --project-name {stack.name} up --size=big --tag=a --tag=b db\n"
    eventually(lambda: "url is of://sunny" in stack.ok("logs", "web"))
    eventually(lambda: "PATH" in stack.ok("logs", "other"))
    assert "DB_URL" not in stack.ok("logs", "other")
    assert set(stack.rows()) == {"web-1", "other-1"}
    assert "nothing to do" in stack.ok("plan")
    changed = stack.ok("up", "-d", **{**environment, "MOOD": "rainy"})
    assert "web-1" in changed
    eventually(lambda: "url is of://rainy" in stack.ok("logs", "web"))
    stack.ok("down", **environment)
    assert (
        notes.read_text().splitlines()[-1]
        == f"compose --project-name {stack.name} down --size=big --tag=a --tag=b db"
    )
    assert not (store.root / "data" / "provided" / f"{stack.name}.json").exists()


def test_nobody_starts_when_it_fails(store: Store) -> None:
    failing = """echo '{"type": "error", "message": "no more of these"}'; exit 1"""
    stack, _, environment = _made(store, "failing", failing)
    done = stack.call("up", "-d", **environment)
    assert done.returncode == 1
    assert "db: its provider our-cloud failed to up: no more of these" in done.stderr
    assert stack.rows() == {}


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("echo not json", "does not speak the protocol"),
        ("echo out of luck >&2; exit 3", "out of luck"),
        ("exit 3", "exit code 3"),
    ],
)
def test_odd_programs(store: Store, then: str, words: str) -> None:
    stack, _, environment = _made(store, f"odd{len(store.stacks)}", then)
    done = stack.call("up", "-d", **environment)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_program_that_is_not_there(store: Store) -> None:
    stack = store.stack("absent", STACK)
    done = stack.call("up", "-d")
    assert done.returncode == 22
    assert "the provider our-cloud is not installed" in done.stderr
