"""Runs a further process in a container with the caller's streams: ``exec``.

Without a terminal the runtime's process inherits the streams, so nothing of ours stands between:
pipes are pipes, and their end is their end.  With one, the runtime hands us the master of a
pseudo-terminal through a socket (``--console-socket``, runc's ``docs/terminals.md``) and detaches;
the process then is a child of ours, because we are a subreaper (prctl(2)).

Exit codes are Docker's: the process's own, 128 and the signal's number when one killed it, 126 when
it cannot be run, 127 when there is no such program.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from composer import errors
from composer.host import process, tty
from composer.runtime import relay

CANNOT_RUN, NOT_FOUND = 126, 127

_PR_SET_CHILD_SUBREAPER = 36
_FROM_KERNEL = 0x80
"""``si_code`` of a signal that the terminal sent to the whole group (sigaction(2), ``SI_KERNEL``)."""

_PROXIED = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
)


class NotStarted(errors.RuntimeFailure):
    """The process could not be started; ``exit_code`` says why as a shell would."""

    def __init__(self, said: str) -> None:
        self.exit_code = code_for(said) or CANNOT_RUN
        hint = (
            "Is the program in the image, and its directory in PATH?" if self.exit_code == NOT_FOUND else ""
        )
        super().__init__(f"cannot run the process: {said}", hint=hint)


_NOT_EXECUTABLE = ("permission denied", "not permitted", "exec format error", "is a directory")
_MISSING = ("executable file", "no such file or directory")


def code_for(said: str) -> int | None:
    """126 or 127, from the words of crun or runc; ``None`` when they are about something else."""
    text = said.lower()
    if any(words in text for words in _NOT_EXECUTABLE):
        return CANNOT_RUN
    return NOT_FOUND if any(words in text for words in _MISSING) else None


@attrs.frozen(kw_only=True)
class Command:
    """What the runtime is to do: ``described`` is the OCI ``process``; files go below ``place``."""

    runtime: str
    root: Path
    container_id: str
    described: Mapping[str, object]
    place: Path

    @contextlib.contextmanager
    def files(self) -> Iterator[Path]:
        """A directory for what one call needs: the process, the log, the pid and the socket."""
        with tempfile.TemporaryDirectory(prefix="x", dir=self.place) as directory:
            yield Path(directory)

    def argv(self, directory: Path, *options: str) -> list[str]:
        """The runtime's argv; why it could not start the process stands in a log."""
        described = directory / "process"
        described.write_text(json.dumps(self.described))
        log = ("--log", str(directory / "log"), "--log-format", "json")
        terminal = ("--tty",) if self.described.get("terminal") else ()
        process_file = f"--process={described}"
        return [
            self.runtime,
            f"--root={self.root}",
            *log,
            "exec",
            *terminal,
            *options,
            process_file,
            self.container_id,
        ]


def run(command: Command, streams: relay.Streams) -> int:
    """Run the process on the caller's streams to its end; returns its exit code.

    Signals that we get are passed on, but for those that the terminal sent to the process as well.
    """
    with command.files() as directory:
        actions: list[tuple[object, ...]] = []
        if streams.stdin is None:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        code = _waited(command.argv(directory), actions)
        # The runtime has the process's stderr and has said there what was wrong.
        said = _said(directory) if code else ""
    return (code_for(said) or CANNOT_RUN) if said else code


def start(command: Command) -> None:
    """Start the process and leave it (``exec --detach``); raises ``NotStarted``."""
    with command.files() as directory:
        actions = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
        if _waited(command.argv(directory, "--detach"), actions):
            raise NotStarted(_said(directory) or "no reason was given")


def run_with_terminal(command: Command, streams: relay.Streams, detach_keys: bytes) -> int | None:
    """Run the process on a terminal of its own; returns its exit code, ``None`` when the user left it.

    The caller's terminal is raw meanwhile and put back.  A session that a signal ends takes the
    process's terminal along: it gets SIGHUP, as when a window is closed.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with command.files() as directory:
        master = _console_of(command, directory)
        pid = int((directory / "pid").read_text("ascii"))
    descriptor = os.pidfd_open(pid)
    try:
        outcome = _relayed(_Master(master), streams, detach_keys, descriptor)
        if outcome.ending is relay.Ending.DETACHED:
            _hold(master)
            return None
        if outcome.ending is relay.Ending.SIGNALLED:
            return 128 + outcome.signal
        os.close(master)
        master = -1
        return _code(os.waitpid(pid, 0)[1])
    finally:
        os.close(descriptor)
        if master >= 0:
            os.close(master)


class _Master:
    """The master of a pseudo-terminal, as the peer of a session."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        return self._descriptor

    def receive(self) -> tuple[int, bytes] | None:
        try:
            data = os.read(self._descriptor, relay.CHUNK)
        except BlockingIOError:
            return relay.STDOUT, b""
        except OSError:
            return None  # EIO: nobody has the other side open (pty(7))
        return (relay.STDOUT, data) if data else None

    def send(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def end_input(self) -> None:
        """A terminal has no end of input; the process goes on."""

    def resize(self, size: tty.Size) -> None:
        tty.set_size(self._descriptor, size)


def _relayed(master: _Master, streams: relay.Streams, detach_keys: bytes, ended: int) -> relay.Outcome:
    with contextlib.ExitStack() as stack:
        ours = None
        if streams.stdin is not None and tty.is_terminal(streams.stdin):
            ours = stack.enter_context(tty.Terminal(streams.stdin))
        keys = detach_keys if ours is not None else b""
        return relay.Relay(master, streams, terminal=ours, detach_keys=keys, ended=ended).run()


def _console_of(command: Command, directory: Path) -> int:
    """Start the process; the master of its terminal."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        held = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, held)
        # Through our descriptor: a socket's path is limited to 107 bytes (unix(7)), a directory's not.
        path = f"/proc/{os.getpid()}/fd/{held}/s"
        listener.bind(path)
        listener.listen(1)
        options = ("--detach", f"--console-socket={path}", f"--pid-file={directory / 'pid'}")
        actions = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
        code = _waited(command.argv(directory, *options), actions)
        if code:
            raise NotStarted(_said(directory) or "no reason was given")
        channel, _ = listener.accept()  # it was sent before the runtime ended
        with channel:
            return _received(channel)


def _received(channel: socket.socket) -> int:
    """The descriptor that the runtime sends (unix(7), ``SCM_RIGHTS``)."""
    size = array.array("i").itemsize
    _name, ancillary, _flags, _address = channel.recvmsg(4096, socket.CMSG_SPACE(size))
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptor = array.array("i", data[:size])[0]
            os.set_inheritable(descriptor, False)
            return descriptor
    message = "the runtime sent no terminal"
    raise errors.RuntimeFailure(message)


def _waited(argv: list[str], actions: Sequence[tuple[object, ...]]) -> int:
    """Run the runtime to its end, passing signals on; its exit code, as a shell gives it."""
    watched = {*_PROXIED, signal.SIGCHLD}
    former = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        try:
            pid = os.posix_spawn(argv[0], argv, process.ENVIRONMENT, file_actions=actions, setsigmask=former)
        except OSError as error:
            message = f"cannot run {argv[0]}: {error.strerror}"
            raise errors.RuntimeFailure(message) from error
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return _code(status)
            received = signal.sigwaitinfo(watched)
            if received.si_signo in _PROXIED and received.si_code != _FROM_KERNEL:
                os.kill(pid, received.si_signo)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _said(directory: Path) -> str:
    """The runtime's last error."""
    try:
        lines = (directory / "log").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            return line.strip()
        if isinstance(entry, dict) and entry.get("level") in ("error", "fatal"):
            return str(entry.get("msg", "")).strip()
    return ""


def _hold(master: int) -> None:
    """Leave a process behind that keeps a terminal alive, reading what is written to it, until its end."""
    # Where we lead our session, our end hangs its terminal up: it must not reach who is left behind.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork() != 0:
        return
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.set_blocking(master, True)
        with contextlib.suppress(OSError):
            while os.read(master, relay.CHUNK):
                pass
    finally:
        os._exit(0)
