"""Network namespaces held by a descriptor: made in a thread of their own, entered in another.

A namespace belongs to a thread.  The threads here are made for one visit and end with it, so that no
worker of a pool ever comes back into the pool in a foreign namespace.  Nothing is bind-mounted below
``/run/netns``: a namespace lives as long as a process in it or a descriptor, so a kill leaks none.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from composer import errors

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

_Result = TypeVar("_Result")


class Namespace:
    """A network namespace kept alive by a descriptor of this process (``protocols.NamespaceHandle``)."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.path = f"/proc/{os.getpid()}/fd/{descriptor}"

    def close(self) -> None:
        """Give the descriptor up; once."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def make(configure: Callable[[int], None]) -> Namespace:
    """A new namespace; ``configure`` runs inside it with its descriptor.  Nothing is left if that fails."""

    def inside() -> int:
        if _libc.unshare(_CLONE_NEWNET) != 0:
            raise _failure("unshare", ctypes.get_errno())
        descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            configure(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    return Namespace(_visit(inside))


def run_in(descriptor: int, function: Callable[[], _Result]) -> _Result:
    """Call ``function`` inside a namespace and return what it returns.

    Only system calls on namespaced objects belong in there: never run a program of the host in it
    (reliability rule 9).
    """

    def inside() -> _Result:
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise _failure("setns", ctypes.get_errno())
        return function()

    return _visit(inside)


def open_of(pid: int) -> int:
    """A descriptor of a process's network namespace; raises ``NetworkFailure`` when it is gone."""
    try:
        return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        message = f"network namespace of process {pid}: {error.strerror}"
        raise errors.NetworkFailure(message) from error


class _Visit(threading.Thread, Generic[_Result]):
    """A thread for one visit, carrying its result or error home."""

    def __init__(self, function: Callable[[], _Result]) -> None:
        super().__init__(name="composer-netns", daemon=True)
        self._function = function
        self.results: list[_Result] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.results.append(self._function())
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits
            self.error = error


def _visit(function: Callable[[], _Result]) -> _Result:
    visit = _Visit(function)
    visit.start()
    visit.join()
    if visit.error is not None:
        raise visit.error
    return visit.results[0]


def _failure(call: str, number: int) -> errors.NetworkFailure:
    message = f"{call} network namespace: {os.strerror(number)}"
    return errors.NetworkFailure(message)
