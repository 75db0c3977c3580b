"""A user at a terminal, for tests: a program on a pseudo-terminal, keys typed, output awaited."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class User:
    """One program on a pseudo-terminal of its own, whose session it leads.

    ``slave`` is kept open by us, so that the terminal outlives the program and its settings can be
    compared with what they were.
    """

    def __init__(
        self, argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], rows: int, columns: int
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
                for stream in (0, 1, 2):
                    os.dup2(self.slave, stream)
                os.closerange(3, 256)
                os.chdir(directory)
                os.execve(argv[0], list(argv), dict(environment))
            finally:
                os._exit(99)
        self._code: int | None = None

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        """As a window manager does: the kernel tells the foreground group."""
        fcntl.ioctl(
            self.master if tell else self.slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0)
        )

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def sees(self, text: str, *, within: float = 15.0) -> str:
        """Wait until the text was shown; forgets everything up to it, and returns that."""
        deadline = time.monotonic() + within
        while text.encode() not in self.output:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0.0, left))
            if not ready:
                raise AssertionError(f"{text!r} was not shown, but {self.output!r}")
            try:
                self.output += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(f"the terminal closed after {self.output!r}") from None
        seen, _, self.output = self.output.partition(text.encode())
        return seen.decode(errors="replace")

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def awaits_keys(self, *, within: float = 15.0) -> None:
        """Wait until the program has made the terminal raw."""
        deadline = time.monotonic() + within
        while not self.is_raw():
            assert time.monotonic() < deadline, f"never raw, but {self.output!r}"
            time.sleep(0.01)

    def has_the_terminal_back(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before

    def hang_up(self) -> None:
        """The window is closed: the kernel sends SIGHUP to the session's leader."""
        os.close(self.slave)
        os.close(self.master)
        self.slave = self.master = -1

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def code(self, *, within: float = 15.0) -> int:
        """The exit code, as a shell gives it; output is read meanwhile, as a terminal does."""
        deadline = time.monotonic() + within
        while self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                found = os.waitstatus_to_exitcode(status)
                self._code = found if found >= 0 else 128 - found
                break
            assert time.monotonic() < deadline, f"it did not end; it said {self.output!r}"
            if self.master >= 0 and select.select([self.master], [], [], 0.02)[0]:
                with contextlib.suppress(OSError):
                    self.output += os.read(self.master, 65536)
            elif self.master < 0:
                time.sleep(0.02)
        return self._code

    def close(self) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)


@contextlib.contextmanager
def user(
    argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], rows: int = 24, columns: int = 80
) -> Iterator[User]:
    """A user who is gone afterwards, and the program with them."""
    made = User(argv, directory=directory, environment=environment, rows=rows, columns=columns)
    try:
        yield made
    finally:
        made.close()
