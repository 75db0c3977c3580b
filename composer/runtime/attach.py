"""Joins the caller's terminal to a container's, through conmon's attach socket.

The socket carries packets: from conmon, a first byte names the stream (2 stdout, 3 stderr); to
conmon, bytes are stdin and a half-closed socket its end.  Window sizes go as text through the fifo
``ctl`` of the bundle: ``1 ROWS COLUMNS`` (conmon(8), ``ctr_stdio.c``).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from composer import errors
from composer.host import tty
from composer.runtime import relay

_STDERR = 3


class Monitor:
    """conmon, as the peer of a session."""

    def __init__(self, socket_path: str) -> None:
        self._control = str(Path(socket_path).parent / "ctl")
        self._channel = _connect(socket_path)
        self._channel.setblocking(False)

    def fileno(self) -> int:
        """The socket."""
        return self._channel.fileno()

    def receive(self) -> tuple[int, bytes] | None:
        """One packet."""
        try:
            packet = self._channel.recv(relay.CHUNK + 1)
        except BlockingIOError:
            return relay.STDOUT, b""
        except ConnectionResetError:
            return None
        if not packet:
            return None
        return relay.STDERR if packet[0] == _STDERR else relay.STDOUT, packet[1:]

    def send(self, data: bytes) -> int:
        """One packet of stdin."""
        return self._channel.send(data)

    def end_input(self) -> None:
        """Conmon closes the container's stdin, unless it was told to leave it open."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def resize(self, size: tty.Size) -> None:
        """Through the control fifo; the size is a courtesy, so a monitor that is gone is no error."""
        try:
            descriptor = os.open(self._control, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            with contextlib.suppress(OSError):
                os.write(descriptor, b"1 %d %d\n" % size)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Leave; the container goes on."""
        self._channel.close()


def attach(
    socket_path: str,
    streams: relay.Streams,
    *,
    terminal: bool,
    detach_keys: bytes = b"",
    on_ready: Callable[[], None] = lambda: None,
) -> relay.Outcome:
    """Relay until the container closes its side or the user leaves; ``on_ready`` once connected.

    ``terminal`` says that the container has one: with a terminal of ours as stdin it is raw meanwhile.
    """
    monitor = Monitor(socket_path)
    with contextlib.ExitStack() as stack:
        stack.callback(monitor.close)
        ours = None
        if terminal and streams.stdin is not None and tty.is_terminal(streams.stdin):
            ours = stack.enter_context(tty.Terminal(streams.stdin))
        session = relay.Relay(
            monitor, streams, terminal=ours, detach_keys=detach_keys if ours is not None else b""
        )
        session.resize()
        on_ready()
        return session.run()


def _connect(path: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    directory = -1
    try:
        directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # Through the descriptor: a socket's path is limited to 107 bytes (unix(7)), a directory's not.
        channel.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    except OSError as error:
        channel.close()
        message = f"cannot attach to the container: {error.strerror}"
        raise errors.RuntimeFailure(message, hint="Its monitor may be gone; see `composer ps`.") from error
    finally:
        if directory >= 0:
            os.close(directory)
    return channel
