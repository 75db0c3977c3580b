"""Keeps the rotated files of containers' logs in order, as conmon replaces them."""

from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING

import trio

from composer.host import inotify
from composer.model import logging
from composer.runtime import logfiles

if TYPE_CHECKING:
    from pathlib import Path

    from composer.model.container import ContainerSpec


class LogKeeper:
    """The logs of a stack's running containers that keep more than one file.

    Until the first such log there is no inotify instance and no task: most stacks have none.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._events: inotify.Inotify | None = None
        self._logs: dict[int, tuple[Path, int]] = {}
        self._watches: dict[str, int] = {}
        self._threads = trio.CapacityLimiter(1)

    async def add(self, container_id: str, spec: ContainerSpec, log: Path) -> None:
        """A container runs: keep its log; what was replaced before is put in order at once."""
        policy = logging.policy_of(spec.logging)
        if not policy.is_kept or policy.max_files < 2 or container_id in self._watches:
            return
        if self._events is None:
            self._events = inotify.Inotify()
            self._nursery.start_soon(self._follow, self._events)
        watch = self._events.watch(log.parent, inotify.MOVED_TO)
        self._watches[container_id] = watch
        self._logs[watch] = (log, policy.max_files)
        await self._shift(log, policy.max_files)

    async def remove(self, container_id: str) -> None:
        """It runs no more: a last look."""
        watch = self._watches.pop(container_id, None)
        if watch is None or self._events is None:
            return
        log, most = self._logs.pop(watch)
        self._events.forget(watch)
        await self._shift(log, most)

    async def _follow(self, events: inotify.Inotify) -> None:
        while True:
            await trio.lowlevel.wait_readable(events.descriptor)
            for log, most in self._replaced(events):
                await self._shift(log, most)

    def _replaced(self, events: inotify.Inotify) -> list[tuple[Path, int]]:
        """The logs that conmon may have replaced, each once."""
        seen: dict[int, tuple[Path, int]] = {}
        for watch, mask, name in events.read():
            if mask & inotify.QUEUE_OVERFLOW:
                return list(self._logs.values())
            kept = self._logs.get(watch)
            if kept is not None and name == kept[0].name:
                seen[watch] = kept
        return list(seen.values())

    async def _shift(self, log: Path, most: int) -> None:
        try:
            await trio.to_thread.run_sync(partial(logfiles.shift, log, most), limiter=self._threads)
        except OSError:
            traceback.print_exc()  # a full disk: conmon goes on within its bound, and so do we
