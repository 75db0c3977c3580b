"""Scenarios: a private store, real containers, and a census that must be clean in the end.

Each runs composer as a user does, as a command.  Needs root and the tools of ``.ci/setup``; where
containers cannot be run, every scenario is skipped with the reason.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

COMPOSER = Path(sys.executable).with_name("composer")


class Store:
    """A private state directory with a busybox image, and stacks in directories of their own."""

    def __init__(self, root: Path, run: Path) -> None:
        self.root = root
        self.run = run
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("COMPOSE")},
            "COMPOSER_DATA": str(root / "data"),
            "COMPOSER_RUN": str(run),
        }
        self.stacks: list[Stack] = []

    def stack(self, name: str, text: str, **files: str) -> Stack:
        """A directory with a stack file (and others) of a unique stack name."""
        unique = f"{name}{os.getpid()}"
        directory = self.root / unique
        directory.mkdir()
        (directory / "compose.yaml").write_text(f"name: {unique}\n{text}")
        for file, content in files.items():
            (directory / file).write_text(content)
        made = Stack(self, unique, directory)
        self.stacks.append(made)
        return made

    def call(
        self, *arguments: str, directory: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(COMPOSER), *arguments],
            cwd=directory or self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


class Stack:
    """One stack of a store."""

    def __init__(self, store: Store, name: str, directory: Path) -> None:
        self.store = store
        self.name = name
        self.directory = directory

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.store.call(*arguments, directory=self.directory, **environment)

    def ok(self, *arguments: str, **environment: str) -> str:
        """The output of a command that must succeed."""
        done = self.call(*arguments, **environment)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(COMPOSER), *arguments],
            cwd=self.directory,
            env=self.store.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self) -> dict[str, dict[str, object]]:
        """``ps --all`` by container name without the stack's."""
        text = self.call("ps", "--all", "--format", "json").stdout.strip()
        listed = (
            json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
        )
        return {str(row["Name"]).removeprefix(f"{self.name}-"): row for row in listed}

    def pid(self, container: str) -> int:
        return int(str(self.rows()[container]["Pid"]))

    @property
    def supervisor(self) -> int:
        return int((self.store.run / "stacks" / self.name / "supervisor.pid").read_text())


def eventually(check: Callable[[], object], *, within: float = 10.0) -> object:
    """What ``check`` returns, as soon as it is true; fails when it is not in time."""
    deadline = time.monotonic() + within
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {check}")
        time.sleep(0.02)


def census(marker: str) -> list[str]:
    """Processes and mounts that name the store."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in command and str(os.getpid()) != entry.name:
            found.append(f"process {command[:100]}")
    found += [
        f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if marker in line
    ]
    return found


@functools.cache
def why_not() -> str:
    """Why containers cannot be run here; "" when they can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in ("conmon", "nft", "busybox", "unshare") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if not (shutil.which("crun") or shutil.which("runc")):
        return "no OCI runtime is installed"
    return ""


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    root = Path(tempfile.mkdtemp(prefix="composer-scenario-"))
    run = Path(tempfile.mkdtemp(prefix="composer-scenario-", dir="/dev/shm"))
    made = Store(root, run)
    done = made.call("image", "bootstrap", "--busybox", "busybox")
    assert done.returncode == 0, done.stderr
    try:
        yield made
    finally:
        by_hand = made.call(
            "container", "ls", "-aq", "-f", "label!=com.docker.compose.project"
        ).stdout.split()
        if by_hand:
            made.call("container", "rm", "-f", "-v", *by_hand)
        for stack in made.stacks:
            stack.call("down", "-v", "--remove-orphans")
        left = []
        for _ in range(100):
            left = census(str(run))
            if not left:
                break
            time.sleep(0.05)
        shutil.rmtree(root, ignore_errors=True)
        shutil.rmtree(run, ignore_errors=True)
        assert not left
