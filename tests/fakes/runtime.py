"""Containers without a kernel: ``protocols.Runtime`` in memory, ended when a test says so.

The first process of a container *is* its argv, of which a handful of busybox programs are understood
(``true``, ``false``, ``echo``, ``sleep``, ``sh -c "exit N"``).  ``sleep`` runs until it is killed or until
``end`` is called; everything else ends as soon as it starts.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from composer import errors
from composer.model.protocols import (
    ContainerRequest,
    ExecRequest,
    ExecResult,
    Interrupt,
    MaterialFile,
    ProcessIdentity,
    RuntimeState,
    StepRequest,
)
from composer.model.stack import Limits

BOOT = "00000000-0000-0000-0000-000000000000"


@attrs.define(kw_only=True)
class Program:
    """What an argv does: its output, and its exit code or ``None`` when it runs on."""

    output: bytes = b""
    exit_code: int | None = 0


def program_of(argv: Sequence[str]) -> Program:
    match [Path(argv[0]).name, *argv[1:]]:
        case ["true"]:
            return Program()
        case ["false"]:
            return Program(exit_code=1)
        case ["echo", *words]:
            return Program(output=" ".join(words).encode() + b"\n")
        case ["sleep", _]:
            return Program(exit_code=None)
        case ["sh", "-c", script] if script.startswith("exit "):
            return Program(exit_code=int(script.removeprefix("exit ")))
    message = f"the fake runtime has no program {argv[0]!r}"
    raise errors.RuntimeFailure(message)


@attrs.define(kw_only=True)
class Container:
    """One container the fake knows."""

    request: ContainerRequest
    identity: ProcessIdentity
    limits: Limits
    is_alive: bool = True
    is_started: bool = False
    is_paused: bool = False
    is_monitored: bool = True
    exit_code: int | None = None
    finished_at: float = 0.0


class FakeRuntime:
    """Every container of one store.  ``calls`` says what was asked, in order."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.files: dict[str, tuple[MaterialFile, ...]] = {}
        self.calls: list[tuple[str, str]] = []
        self._pids = itertools.count(1000)
        self._lock = threading.RLock()

    # ------------------------------------------------------------------ what tests do

    def end(self, container_id: str, exit_code: int = 0) -> None:
        """The first process ends by itself."""
        with self._lock:
            container = self.containers[container_id]
            if container.is_alive:
                container.is_alive = False
                container.exit_code = exit_code if container.is_monitored else None
                container.finished_at = time.time()

    def kill_monitor(self, container_id: str) -> None:
        """conmon dies; the container lives on."""
        self.containers[container_id].is_monitored = False

    # ------------------------------------------------------------------ protocols.Runtime

    def write_files(self, container_id: str, files: Sequence[MaterialFile]) -> None:
        self._called("write_files", container_id)
        self.files[container_id] = tuple(files)

    def has_files(self, container_id: str) -> bool:
        return container_id in self.files

    def create(self, request: ContainerRequest) -> ProcessIdentity:
        self._called("create", request.id)
        argv = _argv_of(request)
        if argv is None:
            message = f"{request.spec.name}: neither the service nor its image says what to run"
            raise errors.OperationFailed(message)
        program_of(argv)
        with self._lock:
            identity = ProcessIdentity(pid=next(self._pids), start_time=1, boot_id=BOOT)
            self.containers[request.id] = Container(
                request=request, identity=identity, limits=request.spec.limits
            )
        return identity

    def start(self, container_id: str) -> None:
        self._called("start", container_id)
        container = self.containers.get(container_id)
        if container is None or not container.is_alive:
            message = f"cannot start container {container_id[:12]}: it does not exist"
            raise errors.RuntimeFailure(message)
        container.is_started = True
        argv = _argv_of(container.request)
        assert argv is not None
        program = program_of(argv)
        with container.request.log.open("ab") as log:
            for line in program.output.splitlines():
                log.write(b"2026-01-01T00:00:00.000000000+00:00 stdout F " + line + b"\n")
        if program.exit_code is not None:
            self.end(container_id, program.exit_code)

    def kill(self, container_id: str, signal_number: int) -> None:
        self._called("kill", container_id)
        container = self.containers.get(container_id)
        if container is not None and signal_number in (signal.SIGKILL, signal.SIGTERM):
            self.end(container_id, 128 + signal_number)

    def kill_all(self, container_id: str) -> None:
        self._called("kill_all", container_id)
        if container_id in self.containers:
            self.end(container_id, 128 + signal.SIGKILL)

    def pause(self, container_id: str) -> None:
        self._called("pause", container_id)
        self._running(container_id).is_paused = True

    def resume(self, container_id: str) -> None:
        self._called("resume", container_id)
        if container_id in self.containers:
            self.containers[container_id].is_paused = False

    def release(self, container_id: str) -> None:
        self._called("release", container_id)
        self.kill_all(container_id)
        self.containers.pop(container_id, None)

    def remove(self, container_id: str) -> None:
        self._called("remove", container_id)
        self.release(container_id)
        self.files.pop(container_id, None)

    def state(self, container_id: str) -> RuntimeState:
        container = self.containers.get(container_id)
        if container is None:
            return RuntimeState(exists=False)
        if container.is_alive:
            return RuntimeState(
                exists=True,
                is_running=container.is_started,
                init=container.identity,
                is_monitored=container.is_monitored,
                is_paused=container.is_paused,
            )
        return RuntimeState(
            exists=True,
            exit_code=container.exit_code,
            finished_at=container.finished_at,
            is_monitored=container.is_monitored,
        )

    def update_limits(self, container_id: str, limits: Limits) -> None:
        self._called("update_limits", container_id)
        self.containers[container_id].limits = limits

    def execute(self, container_id: str, request: ExecRequest, *, seconds: float) -> ExecResult:
        self._running(container_id)
        program = program_of(request.argv)
        return ExecResult(exit_code=program.exit_code, output=program.output)

    def run_step(self, request: StepRequest, say: Callable[[bytes], None], interrupt: Interrupt) -> int:
        self._called("run_step", request.id)
        program = program_of(request.argv)
        if program.output:
            say(program.output)
        stopped = threading.Event()
        forget = interrupt.on_set(stopped.set)
        try:
            if program.exit_code is None:
                stopped.wait()
        finally:
            forget()
        if interrupt.is_set or program.exit_code is None:
            message = "the build was stopped"
            raise errors.Interrupted(message)
        return program.exit_code

    # ------------------------------------------------------------------ inner

    def _called(self, name: str, container_id: str) -> None:
        self.calls.append((name, container_id))

    def _running(self, container_id: str) -> Container:
        container = self.containers.get(container_id)
        if container is None or not container.is_alive:
            message = f"container {container_id[:12]} is not running"
            raise errors.OperationFailed(message)
        return container


def _argv_of(request: ContainerRequest) -> tuple[str, ...] | None:
    spec, image = request.spec, request.image
    entrypoint = spec.entrypoint if spec.entrypoint is not None else image.entrypoint or ()
    command = spec.command if spec.command is not None else image.command or ()
    return (*entrypoint, *command) or None
