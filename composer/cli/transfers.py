"""Pulls and pushes of a command: several images at once, each with the progress of its layers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from composer import errors
from composer.cli import dryrun, interruption, progress
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from composer.cli.progress import Renderer
    from composer.cli.session import Session
    from composer.model.distribution import Report, Transfer
    from composer.model.protocols import Interrupt

AT_ONCE = 3
"""Images; each has a few layers under way."""

Call = Callable[["Report", "Interrupt"], None]


class Job:
    """One image's way: ``action`` is ``pull`` or ``push``, ``name`` the image."""

    def __init__(self, action: str, name: str, call: Call) -> None:
        self.action = action
        self.name = name
        self.call = call
        self.error: errors.ComposerError | None = None


def run(session: Session, jobs: Sequence[Job], *, is_quiet: bool) -> None:
    """Do every job, or say so in a dry run; each keeps its error.  Raises ``Interrupted`` after Ctrl-C."""
    if session.root.dry_run:
        for job in jobs:
            session.say(f"{dryrun.PREFIX}{job.action} image {job.name}")
        return
    mode = "quiet" if is_quiet else session.root.progress
    renderer = progress.renderer_for(mode, session.err, ansi=session.root.ansi)
    run_shown = _Run(renderer)
    try:
        with interruption.stop_flag() as flag:
            slots = threading.BoundedSemaphore(AT_ONCE)
            threads = [
                threading.Thread(target=run_shown.do, args=(number, job, slots, flag), daemon=True)
                for number, job in enumerate(jobs, 1)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if flag.is_set:
                raise errors.Interrupted("interrupted")
    finally:
        renderer.close()
    if run_shown.bugs:
        raise run_shown.bugs[0]


def raise_first(jobs: Sequence[Job]) -> None:
    """Raise the first job's error, after notes would have told the others'."""
    for job in jobs:
        if job.error is not None:
            raise job.error


class _Run:
    """What the threads share: the renderer, one at a time."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._lock = threading.Lock()
        self.bugs: list[Exception] = []

    def do(self, number: int, job: Job, slots: threading.BoundedSemaphore, flag: Interrupt) -> None:
        resource = f"image {job.name}"

        def report(transfer: Transfer) -> None:
            self._show(events.transfer(resource, job.action, transfer))

        with slots:
            if flag.is_set:
                return
            began = time.monotonic()
            self._show(events.step(resource, job.action, "working", step_id=number))
            try:
                job.call(report, flag)
            except errors.ComposerError as error:
                job.error = error
            except Exception as error:  # noqa: BLE001 -- raised again by the main thread
                self.bugs.append(error)
            status = "done" if job.error is None and not self.bugs else "failed"
            text = job.error.message if job.error is not None else ""
            elapsed = time.monotonic() - began
            self._show(events.step(resource, job.action, status, step_id=number, text=text, elapsed=elapsed))

    def _show(self, event: events.Event) -> None:
        with self._lock:
            self._renderer.show(event)
