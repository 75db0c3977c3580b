"""Runs the OCI runtime's ``exec`` and ``run`` and takes what they print, bounded in time and in memory.

What a container prints comes through a pipe that any process in it may inherit and keep open, so the
pipe's end is never waited for once the runtime itself has ended; and a probe that prints for ever
costs no more than the bytes that are kept.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from composer import errors
from composer.host import process
from composer.model.protocols import ExecResult, Interrupt

_CHUNK = 65536
_TICK = 0.02


def result_of(running: subprocess.Popen[bytes], pid_file: Path, *, seconds: float, most: int) -> ExecResult:
    """Await a spawned ``exec`` for at most ``seconds``, keeping ``most`` bytes of its output.

    When time is up, the process whose host pid the runtime wrote to ``pid_file`` is killed with its
    descendants, and the exit code is ``None``.
    """
    kept = bytearray()
    try:
        assert running.stdout is not None
        is_over = _collect(running, kept, most, time.monotonic() + seconds)
        if not is_over:
            _kill_tree_in(pid_file)
            running.kill()
            running.wait()
            _kill_tree_in(pid_file)  # it may have been born between the two
        _drain(running.stdout.fileno(), kept, most)
        return ExecResult(exit_code=_status(running.wait()) if is_over else None, output=bytes(kept))
    finally:
        _close(running)


def run_to_end(
    arguments: Sequence[str],
    say: Callable[[bytes], None],
    interrupt: Interrupt,
    kill: Callable[[], None],
) -> int:
    """Run a throw-away container, passing its output to ``say``; returns its exit code.

    Once interrupted, ``kill`` (which ends whatever is in the container by then) is called until the
    runtime has ended: the first call may come before there is anything to kill.  Raises ``Interrupted``.
    """
    reader, writer = os.pipe()
    forget = interrupt.on_set(lambda: _wake(writer))
    try:
        running = spawn(arguments)
        try:
            _pass_on(running, say, reader)
            while interrupt.is_set and running.poll() is None:
                kill()
                time.sleep(_TICK)
            code = running.wait()
        except BaseException:
            # Whoever listened is gone: nobody wants the rest.
            while running.poll() is None:
                kill()
                time.sleep(_TICK)
            raise
        finally:
            _close(running)
    finally:
        forget()
        os.close(reader)
        os.close(writer)
    if interrupt.is_set:
        message = "the build was stopped"
        raise errors.Interrupted(message)
    return _status(code)


def spawn(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the runtime with everything it prints in one pipe; raises ``RuntimeFailure``."""
    try:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=process.ENVIRONMENT,
            cwd="/",
        )
    except OSError as error:
        message = f"cannot run {arguments[0]}: {error.strerror}"
        raise errors.RuntimeFailure(message) from error


def _collect(running: subprocess.Popen[bytes], kept: bytearray, most: int, deadline: float) -> bool:
    """Read until the runtime ended (true) or the deadline passed (false)."""
    assert running.stdout is not None
    output = running.stdout.fileno()
    ended = os.pidfd_open(running.pid)
    try:
        waiting = select.poll()
        waiting.register(output, select.POLLIN)
        waiting.register(ended, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            ready = {descriptor for descriptor, _event in waiting.poll(left * 1000)}
            if output in ready and not _keep(output, kept, most):
                waiting.unregister(output)
            if ended in ready:
                return True
        return False
    finally:
        os.close(ended)


def _keep(output: int, kept: bytearray, most: int) -> bool:
    """Take one chunk; returns whether there may be more."""
    chunk = os.read(output, _CHUNK)
    kept += chunk[: most - len(kept)]
    return bool(chunk)


def _drain(output: int, kept: bytearray, most: int) -> None:
    """Take what lies in the pipe, without waiting for anybody who still holds it open."""
    os.set_blocking(output, False)
    try:
        while len(kept) < most and _keep(output, kept, most):
            pass
    except BlockingIOError:
        return


def _pass_on(running: subprocess.Popen[bytes], say: Callable[[bytes], None], woken: int) -> None:
    """Pass output on until the container closed it or somebody woke us."""
    assert running.stdout is not None
    output = running.stdout.fileno()
    waiting = select.poll()
    waiting.register(output, select.POLLIN)
    waiting.register(woken, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _event in waiting.poll()}
        if woken in ready:
            return
        chunk = os.read(output, _CHUNK)
        if not chunk:
            return
        say(chunk)


def _wake(writer: int) -> None:
    os.write(writer, b"!")


def _close(running: subprocess.Popen[bytes]) -> None:
    assert running.stdout is not None
    running.stdout.close()


def _status(code: int) -> int:
    """An exit code as a shell gives it: 128 and the signal's number when one killed the runtime."""
    return code if code >= 0 else 128 - code


def _kill_tree_in(pid_file: Path) -> None:
    """SIGKILL the process named by a pid file and all its descendants."""
    try:
        pid = int(pid_file.read_text("ascii"))
    except (OSError, ValueError):
        return
    for victim in (pid, *_descendants(pid)):
        identity = process.identity_of(victim)
        if identity is not None:
            process.send_signal(identity, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Children, their children and so on (proc(5), ``/proc/PID/task/TID/children``)."""
    found: list[int] = []
    unseen = [pid]
    while unseen:
        for path in Path(f"/proc/{unseen.pop()}/task").glob("*/children"):
            try:
                children = [int(word) for word in path.read_text("ascii").split()]
            except OSError:
                continue  # that thread just ended
            found += children
            unseen += children
    return found
