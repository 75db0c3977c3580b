"""The builds of a stack, carried out: several at once, each after the images that it reads."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from composer import errors
from composer.dockerfile import source
from composer.planner import builds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.model.protocols import Builder, BuildRequest, Interrupt, StepReport
    from composer.model.stack import Stack

_POLL_SECONDS = 0.1


def reads_of(stack: Stack) -> dict[str, tuple[str, ...]]:
    """What the Dockerfile of each image that the stack can build reads from."""
    return {
        image: source.names_read(builds.request_of(stack, service))
        for image, service in builds.builders(stack, inactive=True).items()
    }


def environment_of_caller() -> tuple[str, int | None]:
    """The socket of this process's ssh-agent ("" for none), and ``SOURCE_DATE_EPOCH``.

    Raises ``UsageError`` when that is no number.
    """
    text = os.environ.get(source.EPOCH, "")
    if text and not (text.isascii() and text.isdigit()):
        message = f"{source.EPOCH} is not a number of seconds: {text!r}"
        raise errors.UsageError(message)
    return os.environ.get("SSH_AUTH_SOCK", ""), int(text) if text else None


def build_all(
    builder: Builder,
    requests: Sequence[tuple[str, BuildRequest, tuple[str, ...]]],
    interrupt: Interrupt,
    listeners: Callable[[str], tuple[Callable[[str], None], Callable[[StepReport], None] | None]],
) -> Mapping[str, str]:
    """Build every image (name, request, names of the images it needs); returns ids by name.

    An image is begun when those it needs are there.  After the first failure nothing is begun; it is
    raised when what was under way has ended.
    """
    work = _Work(builder, interrupt, listeners)
    threads = [threading.Thread(target=work.build, args=one, daemon=True) for one in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if work.failures:
        raise work.failures[0]
    return work.built


class _Work:
    """What the threads of ``build_all`` share."""

    def __init__(
        self,
        builder: Builder,
        interrupt: Interrupt,
        listeners: Callable[[str], tuple[Callable[[str], None], Callable[[StepReport], None] | None]],
    ) -> None:
        self.failures: list[BaseException] = []
        self.built: dict[str, str] = {}
        self._builder = builder
        self._interrupt = interrupt
        self._listeners = listeners
        self._changed = threading.Condition()
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))

    def build(self, name: str, request: BuildRequest, needs: tuple[str, ...]) -> None:
        """Wait for what is needed, then build."""
        with self._changed:
            while not self.failures and any(one not in self.built for one in needs):
                self._changed.wait(_POLL_SECONDS)
        try:
            with self._slots:
                if self.failures:
                    return
                say, report = self._listeners(name)
                image = self._builder.build(request, say, self._interrupt, report=report)
        except BaseException as error:  # noqa: BLE001 -- raised again by ``build_all``
            with self._changed:
                self.failures.append(error)
                self._changed.notify_all()
        else:
            with self._changed:
                self.built[name] = image.id
                self._changed.notify_all()
