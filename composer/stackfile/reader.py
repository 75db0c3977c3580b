"""Bytes from disk: the only I/O of the loader.  Remembers what was read, so that a cache can tell.

Files are bounded in size, each and together, and only regular files are read: a fifo or
``/dev/zero`` is refused.
"""

from __future__ import annotations

import os
import stat

import attrs

from composer import errors

LARGEST_STACK_FILE = 4 * 1024 * 1024
LARGEST_ENV_FILE = 1024 * 1024
LARGEST_MATERIAL = 16 * 1024 * 1024
LARGEST_SUM = 64 * 1024 * 1024


@attrs.frozen
class InputFile:
    """A file that was read, as it was then; ``size`` is -1 when it was looked for and absent."""

    path: str
    mtime_ns: int
    size: int
    inode: int


class Reader:
    """Reads files and keeps the list of them."""

    def __init__(self, stdin: bytes | None = None) -> None:
        self._stdin = stdin
        self._sum = 0
        self.inputs: dict[str, InputFile] = {}

    def read(self, path: str, *, limit: int = LARGEST_STACK_FILE) -> bytes | None:
        """The content, or ``None`` when there is no such file; ``-`` is stdin."""
        if path == "-":
            if self._stdin is not None and len(self._stdin) > limit:
                raise _failure(path, f"is larger than {limit // 1024 // 1024} MiB")
            return self._stdin or b""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (FileNotFoundError, NotADirectoryError):
            self.inputs[path] = InputFile(path, 0, -1, 0)
            return None
        except OSError as error:
            raise _failure(path, f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise _failure(path, "has a NUL character in its name") from error
        try:
            content = self._regular(path, descriptor, limit)
        except OSError as error:
            raise _failure(path, f"cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)
        self._sum += len(content)
        if self._sum > LARGEST_SUM:
            raise _failure(path, f"makes more than {LARGEST_SUM // 1024 // 1024} MiB in all")
        return content

    def _regular(self, path: str, descriptor: int, limit: int) -> bytes:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _failure(path, "is not a regular file")
        self.inputs[path] = InputFile(path, status.st_mtime_ns, status.st_size, status.st_ino)
        # A directory cannot be wrapped in a file object, hence the check before.
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = b"" if status.st_size > limit else file.read(limit + 1)
        if max(status.st_size, len(content)) > limit:
            raise _failure(path, f"is larger than {limit // 1024 // 1024} MiB")
        return content

    def exists(self, path: str) -> bool:
        """Whether a file is there; its absence is remembered as well."""
        try:
            status = os.stat(path)
        except OSError:
            self.inputs[path] = InputFile(path, 0, -1, 0)
            return False
        self.inputs[path] = InputFile(path, status.st_mtime_ns, status.st_size, status.st_ino)
        return True


def _failure(path: str, message: str) -> errors.StackFileError:
    return errors.StackFileError([errors.Problem(f"the file {message}", file=path)])
