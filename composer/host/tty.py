"""The user's terminal: raw while a session has it, its size, and put back whatever happens.

Only SIGKILL leaves a terminal raw; ``reset`` (tset(1)) is for that.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import tty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

Size = tuple[int, int]
"""Rows and columns."""


class Terminal:
    """A terminal by one of its descriptors; raw between ``__enter__`` and ``__exit__``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._saved: list[int | list[bytes | int]] | None = None

    def __enter__(self) -> Terminal:  # noqa: PYI034 -- `typing` is not for the thin client
        self._saved = termios.tcgetattr(self._descriptor)
        self.make_raw()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._saved is not None:
            # At once: waiting for output to drain could wait for ever.  A terminal that is gone has
            # nothing to be put back.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)

    def make_raw(self) -> None:
        """Pass every key on (termios(3), ``cfmakeraw``); again after the user's shell had it (SIGCONT)."""
        with contextlib.suppress(termios.error):
            tty.setraw(self._descriptor, termios.TCSANOW)

    def size(self) -> Size | None:
        """Rows and columns; ``None`` when the terminal does not say or is gone."""
        return size_of(self._descriptor)


def size_of(descriptor: int) -> Size | None:
    """The window size of a terminal (ioctl_tty(2), ``TIOCGWINSZ``)."""
    try:
        packed = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    rows, columns, _, _ = struct.unpack("4H", packed)
    return (rows, columns) if rows and columns else None


def set_size(descriptor: int, size: Size) -> None:
    """Give a pseudo-terminal a window size; its foreground process group gets SIGWINCH."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))


def is_terminal(descriptor: int) -> bool:
    """Whether a descriptor is a terminal; a closed one is not."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
