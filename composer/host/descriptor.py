"""Paths resolved beneath a directory descriptor, so that no link in untrusted content leads out.

``openat2(2)`` (kernel 5.6) with ``RESOLVE_IN_ROOT`` treats the descriptor as ``/``: absolute links
and ``..`` stay inside, whatever is renamed meanwhile.  Everything that works on an image's or a
container's tree goes through here; joined path strings never do.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory: int, path: str | bytes, flags: int, *, mode: int = 0, resolve: int = 0) -> int:
    """Open as the system call does (kernel 5.6); raises ``OSError``.

    Retries the ``EAGAIN`` that a concurrent rename causes.
    """
    name = os.fsencode(path)
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve | RESOLVE_NO_MAGICLINKS)
    for _ in range(64):
        result = _libc.syscall(_OPENAT2, directory, name, ctypes.byref(how), ctypes.sizeof(how))
        if result >= 0:
            return int(result)
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number), os.fsdecode(name))


def open_in_root(root: int, path: str | bytes, flags: int, *, mode: int = 0) -> int:
    """Open ``path`` as if ``root`` were ``/``."""
    name = os.fsencode(path).lstrip(b"/") or b"."
    return openat2(root, name, flags, mode=mode, resolve=RESOLVE_IN_ROOT)


def open_beneath(root: int, path: str | bytes, flags: int, *, mode: int = 0) -> int:
    """Open ``path`` beneath ``root``; a link or ``..`` that leads out is an error (EXDEV)."""
    return openat2(root, path, flags, mode=mode, resolve=RESOLVE_BENEATH)


def real_path(root: int, descriptor: int) -> str:
    """The absolute path of an open descriptor as seen from ``root`` being ``/``."""
    base = os.readlink(f"/proc/self/fd/{root}")
    full = os.readlink(f"/proc/self/fd/{descriptor}")
    if full == base:
        return "/"
    if base == "/":
        return full
    if not full.startswith(base + "/"):
        raise OSError(errno.EXDEV, "resolved outside its root", full)
    return full[len(base) :]


def make_directories(root: int, path: str, *, mode: int = 0o755) -> int:
    """``mkdir -p`` in root; existing links to directories are followed inside.  Returns it, opened.

    Missing directories are owned by root:root, as Docker makes them.
    """
    current = os.dup(root)
    try:
        done: list[str] = []
        for part in (part for part in path.split("/") if part not in ("", ".")):
            done.append(part)
            following = _open_or_make(root, current, "/".join(done), part, mode)
            os.close(current)
            current = following
    except BaseException:
        os.close(current)
        raise
    return current


def _open_or_make(root: int, parent: int, path: str, name: str, mode: int) -> int:
    flags = os.O_PATH | os.O_DIRECTORY
    try:
        return open_in_root(root, path, flags)
    except FileNotFoundError:
        if name == "..":
            raise
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        # A dangling link: follow where it points, inside, and make that.
        target = os.readlink(name, dir_fd=parent)
        base = "" if target.startswith("/") else path.rpartition("/")[0]
        return make_directories(root, f"{base}/{target}", mode=mode)
    os.chmod(name, mode, dir_fd=parent)
    return open_in_root(root, path, flags)


def kind_at(root: int, path: str) -> int:
    """The file type bits of ``path`` itself (links not followed at the end); 0 when it is missing."""
    try:
        descriptor = open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        return stat.S_IFMT(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def read_in_root(root: int, path: str, *, limit: int = 1 << 20) -> bytes:
    """The first ``limit`` bytes of a regular file in root; empty when it is missing or no file."""
    try:
        descriptor = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""
        return file.read(limit)
