"""inotify(7): to be told of changes in directories."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

from composer import errors

MODIFIED = 0x2
CHANGED_MODE = 0x4
WRITTEN = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATED = 0x100
DELETED = 0x200
IGNORED = 0x8000
IS_DIRECTORY = 0x40000000
QUEUE_OVERFLOW = 0x4000
_CLOSE_ON_EXEC, _NON_BLOCKING = os.O_CLOEXEC, os.O_NONBLOCK
_HEADER = struct.Struct("iIII")
_BUFFER = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One queue of events; ``descriptor`` is readable when there are some."""

    def __init__(self) -> None:
        """Raises ``HostUnsupported`` when the host gives no more of them."""
        self.descriptor = _libc.inotify_init1(_CLOSE_ON_EXEC | _NON_BLOCKING)
        if self.descriptor < 0:
            raise _failure("inotify_init1")

    def watch(self, directory: Path, mask: int) -> int:
        """Be told of ``mask`` in a directory; returns the number of the watch."""
        number = _libc.inotify_add_watch(self.descriptor, os.fsencode(directory), ctypes.c_uint32(mask))
        if number < 0:
            raise _failure(f"inotify_add_watch {directory}")
        return int(number)

    def forget(self, watch: int) -> None:
        """No more of this; nothing happens when the directory is gone, and the watch with it."""
        _libc.inotify_rm_watch(self.descriptor, watch)

    def read(self) -> list[tuple[int, int, str]]:
        """What happened: (watch, mask, name).  Empty when nothing did.

        After ``QUEUE_OVERFLOW`` (watch -1) anything may have happened.
        """
        try:
            data = os.read(self.descriptor, _BUFFER)
        except BlockingIOError:
            return []
        found, position = [], 0
        while position < len(data):
            watch, mask, _cookie, length = _HEADER.unpack_from(data, position)
            position += _HEADER.size
            name = data[position : position + length].rstrip(b"\0")
            found.append((watch, mask, os.fsdecode(name)))
            position += length
        return found

    def close(self) -> None:
        """Give it up."""
        os.close(self.descriptor)


def _failure(call: str) -> errors.HostUnsupported:
    number = ctypes.get_errno()
    hint = (
        "Raise fs.inotify.max_user_instances or max_user_watches."
        if number in (errno.EMFILE, errno.ENOSPC)
        else ""
    )
    message = f"{call}: {os.strerror(number)}"
    return errors.HostUnsupported(message, hint=hint)
