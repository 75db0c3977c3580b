"""Joins the caller's terminal to a container's, through conmon's attach socket.

The socket carries packets: from conmon, a first byte names the stream (2 stdout, 3 stderr); to
conmon, bytes are stdin and an empty packet its end.  Window sizes go as text through the fifo
``ctl`` of the bundle: ``1 ROWS COLUMNS`` (conmon(8), ``ctr_stdio.c``).
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import termios
import tty as terminal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from composer import errors

_STDOUT, _STDERR = 2, 3
_PACKET = 32768


def attach(
    socket_path: str,
    *,
    stdin_fd: int | None,
    stdout_fd: int,
    stderr_fd: int,
    tty: bool,
    on_ready: Callable[[], None],
) -> None:
    """Copy in both directions until the container closes its side; ``on_ready`` once connected."""
    channel = _connect(socket_path)
    with channel, _raw(stdin_fd if tty else None):
        if tty and stdin_fd is not None:
            control = str(Path(socket_path).parent / "ctl")
            _send_size(control, stdin_fd)
            signal.signal(signal.SIGWINCH, lambda *_: _send_size(control, stdin_fd))
        on_ready()
        _copy(channel, stdin_fd, stdout_fd, stderr_fd)


def _connect(path: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        channel.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    except OSError as error:
        channel.close()
        message = f"cannot attach to the container: {error.strerror}"
        raise errors.RuntimeFailure(message, hint="Its monitor may be gone; see `composer ps`.") from error
    finally:
        os.close(directory)
    return channel


def _copy(channel: socket.socket, stdin_fd: int | None, stdout_fd: int, stderr_fd: int) -> None:
    sources: list[int | socket.socket] = [channel]
    if stdin_fd is not None:
        sources.append(stdin_fd)
    while True:
        ready, _, _ = select.select(sources, [], [])
        if channel in ready:
            try:
                packet = channel.recv(_PACKET + 1)
            except ConnectionResetError:
                return
            if not packet:
                return
            _write(stderr_fd if packet[0] == _STDERR else stdout_fd, packet[1:])
        if stdin_fd is not None and stdin_fd in ready:
            data = os.read(stdin_fd, _PACKET)
            try:
                if data:
                    channel.sendall(data)
                else:
                    sources.remove(stdin_fd)
                    channel.shutdown(socket.SHUT_WR)
            except OSError:
                sources = [channel]


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _send_size(control: str, stdin_fd: int) -> None:
    try:
        packed = fcntl.ioctl(stdin_fd, termios.TIOCGWINSZ, bytes(8))
        rows, columns, _, _ = struct.unpack("4H", packed)
        descriptor = os.open(control, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # the size is a courtesy
    with os.fdopen(descriptor, "wb") as fifo:
        fifo.write(f"1 {rows} {columns}\n".encode())


@contextmanager
def _raw(descriptor: int | None) -> Iterator[None]:
    """The terminal in raw mode, put back whatever happens."""
    if descriptor is None or not os.isatty(descriptor):
        yield
        return
    saved = termios.tcgetattr(descriptor)
    try:
        terminal.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)
