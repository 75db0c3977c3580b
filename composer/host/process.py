"""Processes: spawning with a clean environment, identities that cannot be mistaken, signals by pidfd.

A pid alone proves nothing: it may have been reused.  An identity is pid, start time (field 22 of
``/proc/PID/stat``, proc(5)) and boot id together; signals go through a pidfd that was opened first
and checked afterwards, so that they cannot reach another process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

import attrs

from composer import errors
from composer.host import boot
from composer.model.protocols import ProcessIdentity

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}
"""All that our tools get of an environment: nothing of a user's or a stack's reaches them."""

_PR_SET_DUMPABLE = 4
_ENVIRONMENT_BEGIN = 47
"""``env_start`` of proc_pid_stat(5), counted as ``_STATE`` is; ``env_end`` follows."""
_STATE, _START_TIME = 0, 19
"""Positions after the closing parenthesis of the command in ``/proc/PID/stat``."""


@attrs.frozen(kw_only=True)
class Completed:
    """A tool that ended: negative ``exit_code`` is the signal that killed it."""

    exit_code: int
    output: bytes
    error: bytes = b""

    @property
    def said(self) -> str:
        """What it wrote to stderr, for messages."""
        return self.error.decode("utf-8", errors="replace").strip()


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    keep_descriptors: Sequence[int] = (),
    seconds: float | None = None,
    captures: bool = True,
    environment: Mapping[str, str] | None = None,
    umask: int = -1,
) -> Completed:
    """Run a tool to its end; raises ``HostUnsupported`` when it is not installed.

    ``environment`` is what it gets beside ``ENVIRONMENT``; its umask is ours (-1), a supervisor's 077,
    unless another one is said.
    ``captures`` is false for a tool that leaves a process behind: that process would hold the pipes.
    """
    sink = subprocess.PIPE if captures else subprocess.DEVNULL
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=sink,
            stderr=sink,
            env={**ENVIRONMENT, **(environment or {})},
            cwd="/",
            pass_fds=tuple(keep_descriptors),
            timeout=seconds,
            umask=umask,
            check=False,
        )
    except FileNotFoundError as error:
        message = f"{argv[0]} is not installed"
        raise errors.HostUnsupported(message, hint="`composer system info` lists what is missing.") from error
    except subprocess.TimeoutExpired as error:
        message = f"{argv[0]} did not end within {seconds:g} s"
        raise errors.RuntimeFailure(message) from error
    return Completed(exit_code=done.returncode, output=done.stdout or b"", error=done.stderr or b"")


def identity_of(pid: int) -> ProcessIdentity | None:
    """The identity of a living process; ``None`` when it is gone or a zombie."""
    fields = _stat(pid)
    if fields is None or fields[_STATE] in (b"Z", b"X"):
        return None
    return ProcessIdentity(pid=pid, start_time=int(fields[_START_TIME]), boot_id=boot.boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether this very process still runs."""
    return identity.pid > 0 and identity_of(identity.pid) == identity


def open_pidfd(identity: ProcessIdentity) -> int | None:
    """A pidfd of this very process, or ``None`` when it is gone."""
    if identity.pid <= 0:
        return None
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return None
    if identity_of(identity.pid) != identity:
        os.close(descriptor)
        return None
    return descriptor


def send_signal(identity: ProcessIdentity, number: int) -> bool:
    """Signal this very process; returns whether it was there."""
    descriptor = open_pidfd(identity)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _stat(pid: int) -> list[bytes] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return None
    return content[content.rfind(b")") + 2 :].split()


def bounding_capabilities() -> int:
    """The capabilities that this process can hand on, as a bit set (``CapBnd``, proc_pid_status(5))."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("CapBnd:"):
                return int(line.split()[1], 16)
    return 0


def reap_orphans() -> None:
    """Collect the zombies that a subreaper inherits: monitors, and processes of containers.

    conmon detaches itself, so its end is ours to collect.  A process that an ``exec`` put into a
    container and whose runtime process died is ours too, and its container's pid namespace cannot end
    before it is collected (pid_namespaces(7)).  Children of our own are left to whoever awaits them:
    they live in our pid namespace and are not called ``conmon``.
    """
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:
            children = [int(pid) for pid in file.read().split()]
    except OSError:
        return
    for pid in children:
        fields = _stat(pid)
        if fields is None or fields[_STATE] != b"Z":
            continue
        if _command(pid) == "conmon" or _is_in_nested_namespace(pid):
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def _is_in_nested_namespace(pid: int) -> bool:
    """Whether a process has a second pid, in a namespace below ours (``NSpid``, proc(5))."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            numbers = next((line.split()[1:] for line in file if line.startswith("NSpid:")), [])
    except OSError:
        return False
    return len(numbers) > 1


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def keep_to_ourselves() -> None:
    """For a process that secrets pass through: no core dumps, and no environment for others to read.

    A forked process shows the environment of whoever ran the command in ``/proc/PID/environ`` for as long
    as it lives, and secrets may come from there.  ``os.environ`` is a copy and stays; ``getenv(3)`` finds
    nothing more.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    begin, end = int(fields[_ENVIRONMENT_BEGIN]), int(fields[_ENVIRONMENT_BEGIN + 1])
    if 0 < begin < end:  # both are 0 for who may not know
        ctypes.memset(begin, 0, end - begin)


class StopFlag:
    """Asks a long synchronous call to stop (``protocols.Interrupt``); set from any thread, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether the call should stop."""
        return self._is_set

    def set(self) -> None:
        """Ask; calls every callback once."""
        with self._lock:
            callbacks = [] if self._is_set else list(self._callbacks)
            self._is_set = True
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when set (at once if it is set); returns the function that unregisters."""
        with self._lock:
            if not self._is_set:
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
