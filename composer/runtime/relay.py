"""Passes bytes between the caller's streams and a process in a container, until one side has enough.

The other side is a ``Peer``: conmon's attach socket (``attach``) or the master of a pseudo-terminal
(``execution``).  Input waits while the peer takes none, and output goes on meanwhile, so that neither
can block the other.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import select
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

import attrs

from composer.host import tty
from composer.runtime.detachkeys import Detector

CHUNK = 32768
STDOUT, STDERR = 1, 2

_Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


@attrs.frozen(kw_only=True)
class Streams:
    """The caller's descriptors; ``stdin`` is ``None`` for a session that takes no input."""

    stdin: int | None = 0
    stdout: int = 1
    stderr: int = 2


class Peer(Protocol):
    """The container's side of a session."""

    def fileno(self) -> int:
        """What to wait on."""

    def receive(self) -> tuple[int, bytes] | None:
        """A stream (``STDOUT``, ``STDERR``) and bytes of it, ``None`` when there will be no more."""

    def send(self, data: bytes) -> int:
        """Pass input on without waiting; returns how much was taken; raises ``OSError`` when gone."""

    def end_input(self) -> None:
        """There is no more input."""

    def resize(self, size: tty.Size) -> None:
        """The user's window has a new size."""


class Ending(enum.Enum):
    """Why a relay ended."""

    CLOSED = "the container closed its side"
    DETACHED = "the detach keys were pressed"
    SIGNALLED = "a signal ended this program"


@attrs.frozen
class Outcome:
    """How a relay ended; ``signal`` is the number for ``SIGNALLED``."""

    ending: Ending
    signal: int = 0


class _Signalled(Exception):
    """Raised by a signal handler to leave the relay."""


class _Detached(Exception):
    """The detach keys were pressed."""


class Relay:
    """One session.

    ``terminal`` is the user's, when the session has it; ``ended`` a descriptor that becomes readable
    when the process is gone, where its pseudo-terminal may outlive it.
    """

    def __init__(
        self,
        peer: Peer,
        streams: Streams,
        *,
        terminal: tty.Terminal | None = None,
        detach_keys: bytes = b"",
        ended: int | None = None,
    ) -> None:
        self._peer = peer
        self._stdin = streams.stdin
        self._streams = {STDOUT: streams.stdout, STDERR: streams.stderr}
        self._terminal = terminal
        self._detector = Detector(detach_keys) if detach_keys else None
        self._ended = ended
        self._pending = b""
        self._has_input_ended = streams.stdin is None
        self._is_deaf = False
        self._signal = 0

    def run(self) -> Outcome:
        """Relay until the end."""
        try:
            with self._reacting():
                self.resize()
                while not self._turn():
                    pass
        except _Signalled:
            return Outcome(Ending.SIGNALLED, self._signal)
        except _Detached:
            return Outcome(Ending.DETACHED)
        return Outcome(Ending.CLOSED)

    def resize(self) -> None:
        """Tell the container's side how large the user's window is."""
        size = self._terminal.size() if self._terminal else None
        if size is not None:
            self._peer.resize(size)

    # ------------------------------------------------------------------ signals

    @contextlib.contextmanager
    def _reacting(self) -> Iterator[None]:
        """React to the terminal's signals while inside; without a terminal only its loss matters."""
        handlers: dict[int, _Handler] = {signal.SIGHUP: self._leave}
        if self._terminal is not None:
            handlers |= {
                signal.SIGTERM: self._leave,
                signal.SIGINT: self._leave,
                signal.SIGQUIT: self._leave,
                signal.SIGWINCH: lambda *_: self.resize(),
                signal.SIGCONT: lambda *_: self._come_back(),
            }
        former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _leave(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number
        raise _Signalled

    def _come_back(self) -> None:
        """After a stop the shell had the terminal, and the window may have changed."""
        assert self._terminal is not None
        self._terminal.make_raw()
        self.resize()

    # ------------------------------------------------------------------ one turn

    def _turn(self) -> bool:
        """Wait for something and handle it; returns whether the session is over."""
        waiting = select.poll()
        waiting.register(self._peer.fileno(), select.POLLIN | (select.POLLOUT if self._pending else 0))
        if self._ended is not None:
            waiting.register(self._ended, select.POLLIN)
        reads_input = not (self._has_input_ended or self._pending or self._is_deaf)
        if reads_input and self._stdin is not None:
            waiting.register(self._stdin, select.POLLIN)
        ready = dict(waiting.poll())
        events = ready.get(self._peer.fileno(), 0)
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and self._pass_output():
            return True
        if self._ended in ready and not events & select.POLLIN:
            return True  # what it wrote before its end has been read by now
        if self._stdin is not None and self._stdin in ready:
            self._take_input()
        if self._pending:
            self._send()
        return False

    def _pass_output(self) -> bool:
        received = self._peer.receive()
        if received is None:
            return True
        stream, data = received
        write_all(self._streams[stream], data)
        return False

    def _take_input(self) -> None:
        assert self._stdin is not None
        try:
            data = os.read(self._stdin, CHUNK)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""  # the terminal is gone (or this is a background job of an orphaned group)
        if not data:
            self._has_input_ended = True
            self._peer.end_input()
            return
        if self._detector is not None:
            data, is_detached = self._detector.feed(data)
            if is_detached:
                raise _Detached
        self._pending = data
        if data:
            self._send()

    def _send(self) -> None:
        try:
            self._pending = self._pending[self._peer.send(self._pending) :]
        except BlockingIOError:
            return
        except OSError:
            # It takes no input any more; what it still has to say is worth reading.
            self._pending, self._is_deaf = b"", True


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything, waiting where the descriptor is non-blocking and full."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
