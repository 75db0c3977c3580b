"""Mounts by system call: overlay roots, binds, and the private mount namespace we work in.

The supervisor and every build live in a mount namespace of their own, a slave of the host's.  What
they mount never shows on the host and vanishes with them, so a kill cannot leak a mount; and on a
hybrid cgroup layout the v2 mount can be taken away there, which is the only way crun 1.8 starts.

Overlays are made through fsopen(2) with one ``lowerdir+`` per layer (kernel 6.8), because the data
of mount(2) is cut at one page without an error; older kernels get mount(2) with every layer named
by its descriptor, which keeps even a hundred of them short.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from composer import errors

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 4096, 16384, 1 << 18, 1 << 19
MNT_DETACH = 2

_FSOPEN, _FSCONFIG, _FSMOUNT, _MOVE_MOUNT = 430, 431, 432, 429
_FSOPEN_CLOEXEC = _FSMOUNT_CLOEXEC = 1
_SET_STRING, _CMD_CREATE = 1, 6
_AT_FDCWD = -100
_MOVE_MOUNT_F_EMPTY_PATH = 4
_OPEN_TREE = 428
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_AT_RECURSIVE = 0x8000
_CLONE_FS = 0x00000200

UNIFIED = "/sys/fs/cgroup/unified"
"""Where systemd's hybrid layout mounts the v2 hierarchy."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def needs_private_namespace() -> bool:
    """Whether the runtime only works where the hybrid layout's v2 mount is hidden."""
    return os.path.ismount(UNIFIED)


_came_from: list[int] = []
"""The mount namespace that this process left, held open for ``bind_outside``."""


def enter_private_namespace() -> None:
    """Move this process into its own mount namespace; must be called while it has one thread.

    In the place of a hybrid layout's v2 mount comes an empty tmpfs: crun makes a directory there for
    every container, which would otherwise stay on the host's own tmpfs, out of sight, for ever.
    """
    _came_from.append(os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC))
    _check(_libc.unshare(CLONE_NEWNS), "unshare", "the mount namespace")
    mount("none", "/", "", MS_REC | MS_SLAVE)
    if needs_private_namespace():
        _check(_libc.umount2(UNIFIED.encode(), MNT_DETACH), "umount", UNIFIED)
        mount("tmpfs", UNIFIED, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=16m")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount by the system call of that name; raises ``RuntimeFailure``."""
    result = _libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, "mount", target)


def unmount(target: Path, *, lazy: bool = True) -> None:
    """umount2(2); nothing happens when nothing is mounted there."""
    if _libc.umount2(os.fsencode(target), MNT_DETACH if lazy else 0) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):
            raise _failure(number, "umount", str(target))


def bind(source: Path, target: Path, *, read_only: bool = False) -> None:
    """A bind mount of ``source`` at ``target``."""
    mount(str(source), str(target), "", MS_BIND)
    if read_only:
        mount("none", str(target), "", MS_BIND | MS_REMOUNT | MS_RDONLY)


def bind_from(pid: int, source: str, target: Path) -> None:
    """Bind what process ``pid`` has mounted at ``source`` in its own mount namespace.

    A mount of another namespace cannot be bound by path; it is cloned over there, by a thread that
    goes there for that, and attached here (open_tree(2), move_mount(2), kernel 5.2).
    """
    try:
        namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _failure(error.errno or errno.ESRCH, "open", f"mount namespace of {pid}") from error
    try:
        _bind_from_namespace(namespace, source, target, 0)
    finally:
        os.close(namespace)


def bind_outside(source: str, target: Path) -> None:
    """Bind what the namespace that we left has at ``source``, with everything below it.

    Ours only follows that one (``MS_SLAVE``); a mount taken from there is a peer of it, so that what a
    container mounts below a ``shared`` bind shows on the host (mount_namespaces(7)).
    """
    if _came_from:
        _bind_from_namespace(_came_from[0], source, target, _AT_RECURSIVE)
    else:
        mount(source, str(target), "", MS_BIND | MS_REC)


def _bind_from_namespace(namespace: int, source: str, target: Path, flags: int) -> None:
    cloned = _Clone(namespace, source, flags)
    cloned.start()
    cloned.join()
    if cloned.error is not None:
        raise cloned.error
    try:
        moved = _libc.syscall(
            _MOVE_MOUNT, cloned.tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH
        )
        _check(moved, "move_mount", str(target))
    finally:
        os.close(cloned.tree)


class _Clone(threading.Thread):
    """Its only deed; a thread that changed its mount namespace is good for nothing else."""

    def __init__(self, namespace: int, source: str, flags: int) -> None:
        super().__init__(name="composer-mounts", daemon=True)
        self._namespace = namespace
        self._source = source
        self._flags = flags
        self.tree = -1
        self.error: errors.ComposerError | None = None

    def run(self) -> None:
        try:
            _check(_libc.unshare(_CLONE_FS), "unshare", "the file system of a thread")
            _check(_libc.setns(self._namespace, CLONE_NEWNS), "setns", "a mount namespace")
            flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | self._flags
            self.tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(self._source), flags)
            _check(self.tree, "open_tree", self._source)
        except errors.ComposerError as error:
            self.error = error


def mount_overlay(target: Path, layers: Sequence[Path], upper: Path | None, work: Path | None) -> None:
    """Mount ``layers`` (lowest first), writable in ``upper`` when given, at ``target``.

    overlayfs refuses a layer that comes twice (ELOOP); the upper one alone shows the same tree.
    """
    layers = tuple(dict.fromkeys(reversed(layers)))[::-1]
    if upper is None and len(layers) == 1:
        bind(layers[0], target, read_only=True)  # overlayfs wants two lower layers or an upper one
        return
    with ExitStack() as stack:
        context = _libc.syscall(_FSOPEN, b"overlay", _FSOPEN_CLOEXEC)
        _check(context, "fsopen", "overlay")
        stack.callback(os.close, context)
        try:
            for layer in reversed(layers):
                _configure(context, "lowerdir+", layer)
        except errors.RuntimeFailure:
            _mount_overlay_by_descriptors(target, layers, upper, work)
            return
        if upper is not None and work is not None:
            _configure(context, "upperdir", upper)
            _configure(context, "workdir", work)
        created = _libc.syscall(_FSCONFIG, context, _CMD_CREATE, None, None, 0)
        _check(created, "overlay", str(target))
        made = _libc.syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, 0)
        _check(made, "fsmount", str(target))
        stack.callback(os.close, made)
        moved = _libc.syscall(
            _MOVE_MOUNT, made, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH
        )
        _check(moved, "move_mount", str(target))


def _configure(context: int, key: str, path: Path) -> None:
    result = _libc.syscall(_FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(path), 0)
    _check(result, f"overlay {key}", str(path))


def _mount_overlay_by_descriptors(
    target: Path, layers: Sequence[Path], upper: Path | None, work: Path | None
) -> None:
    with ExitStack() as stack:

        def short(path: Path) -> str:
            descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            return f"/proc/self/fd/{descriptor}"

        options = ["lowerdir=" + ":".join(short(layer) for layer in reversed(layers))]
        if upper is not None and work is not None:
            options += [f"upperdir={short(upper)}", f"workdir={short(work)}"]
        mount("overlay", str(target), "overlay", 0, ",".join(options))


def _check(result: int, call: str, what: str) -> None:
    if result < 0:
        raise _failure(ctypes.get_errno(), call, what)


def _failure(number: int, call: str, what: str) -> errors.ComposerError:
    message = f"{call} {what}: {os.strerror(number)}"
    if number == errno.EPERM:
        return errors.HostUnsupported(message, hint="composer needs root (CAP_SYS_ADMIN) for now.")
    return errors.RuntimeFailure(message)
