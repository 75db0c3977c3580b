"""Files and streams that commands write archives to: whole, or not at all where it is a file."""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Sink = Callable[[bytes], object]


def write(path: str, produce: Callable[[Sink], None], *, flag: str = "-o FILE") -> None:
    """Let ``produce`` write into the file at ``path``, or into stdout for ``-``.

    Raises ``UsageError``: stdout is a terminal, or the file cannot be written.
    """
    if path != "-":
        _write_file(path, produce)
        return
    if terminal.is_terminal(sys.stdout):
        message = "an archive is nothing for a terminal"
        raise errors.UsageError(message, hint=f"Use {flag}, or redirect stdout.")
    produce(sys.stdout.buffer.write)
    sys.stdout.buffer.flush()


def _write_file(path: str, produce: Callable[[Sink], None]) -> None:
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}")
    try:
        with open(temporary, "xb") as file:
            produce(file.write)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise errors.UsageError(message) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
