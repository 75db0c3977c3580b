"""What every stage of one build works with, and how a step becomes a layer or is found to be one already."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import attrs

from composer.dockerfile import cachekey, copy, draft, workspace
from composer.dockerfile.cachemounts import CacheMounts
from composer.dockerfile.context import Selector
from composer.dockerfile.origins import Origin, Origins
from composer.dockerfile.progress import Progress, StepProgress
from composer.dockerfile.remote import Remotes
from composer.dockerfile.run import Commands
from composer.dockerfile.stop import Stop
from composer.dockerfile.tree import Tree
from composer.dockerfile.turns import Turns
from composer.dockerfile.workspace import Overlay, Workspace
from composer.model.protocols import BuildRequest, ImageStore

_POLL_SECONDS = 0.1
_serial = itertools.count(1)

Perform = Callable[[str, Workspace], None]
"""Does a step's work in a workspace; the text is the step's name, unique on this host."""


@attrs.frozen(kw_only=True)
class Kit:
    """One build's tools.  ``slots`` bound how many steps work at once in this process."""

    images: ImageStore
    overlay: Overlay
    turns: Turns
    slots: threading.Semaphore
    stop: Stop
    progress: Progress
    request: BuildRequest
    settings: draft.Settings
    epoch: int | None
    origins: Origins
    remotes: Remotes
    commands: Commands
    cache_mounts: CacheMounts
    keep: Callable[[str, tuple[str, ...]], None] | None = None
    made: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    """What steps of this build gave, by key: a build without cache still does nothing twice."""

    def layers_of(
        self,
        below: tuple[str, ...],
        key: str,
        step: StepProgress | None,
        perform: Perform,
        *,
        is_fresh: bool = False,
    ) -> tuple[str, ...]:
        """The layer of a step over ``below``: remembered, or made by ``perform`` in a fresh workspace.

        ``is_fresh`` does not look for what earlier builds remembered.
        """
        found = self.remembered(key, is_fresh=is_fresh)
        if found is None:
            with self.turns.hold(key, self.stop):
                found = self.remembered(key, is_fresh=is_fresh)
                if found is None:
                    layers = self._perform(below, key, perform)
                    if step is not None:
                        step.done()
                    return layers
        if step is not None:
            step.cached()
        return found

    def remembered(self, key: str, *, is_fresh: bool = False) -> tuple[str, ...] | None:
        """What a step with this key gave."""
        found = self.made.get(key)
        if found is None and not is_fresh:
            found = self.images.cached(key)
        if found is not None and self.keep is not None:
            self.keep(key, found)
        return found

    def remember(self, key: str, layers: tuple[str, ...]) -> None:
        """Let later steps and builds find what a step gave."""
        self.made[key] = layers
        self.images.remember(key, layers)
        if self.keep is not None:
            self.keep(key, layers)

    def _perform(self, below: tuple[str, ...], key: str, perform: Perform) -> tuple[str, ...]:
        name = step_name()
        with workspace.opened(self.images, name, below) as room:
            perform(name, room)
            layers: tuple[str, ...] = ()
            if not room.is_unchanged:
                if self.epoch is not None:
                    workspace.clamp_times(room.upper, self.epoch)
                layers = (self.images.add_layer(room.upper),)
        self.remember(key, layers)
        return layers

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One of the places for steps that work at the same time."""
        while not self.slots.acquire(timeout=_POLL_SECONDS):
            self.stop.check()
        try:
            yield
        finally:
            self.slots.release()

    # ----------------------------------------------------------------- trees

    @contextmanager
    def root(self, room: Workspace) -> Iterator[Tree]:
        """The merged, writable root of a step."""
        with workspace.mounted(self.overlay, room) as merged, Tree(merged) as root:
            yield root

    def selector(self, stack: ExitStack, origin: Origin) -> Selector:
        """What finds files in an origin, until ``stack`` closes."""
        if origin.directory is not None:
            tree = stack.enter_context(Tree(origin.directory))
            return Selector(tree, self.stop, rules=origin.rules, keeps_owner=False)
        room = stack.enter_context(workspace.opened(self.images, step_name(), origin.layers))
        merged = stack.enter_context(workspace.mounted(self.overlay, room, is_writable=False))
        return Selector(stack.enter_context(Tree(merged)), self.stop, keeps_owner=True)

    def materialised(self, origin: Origin, source: str = "/") -> tuple[str, ...]:
        """An origin as layers; the part of a directory that ``source`` names is copied into one."""
        if origin.directory is None:
            return origin.layers
        with ExitStack() as stack:
            selector = self.selector(stack, origin)
            selections = selector.select(source)
            destination = "/" if selections[0].is_directory else f"/{selections[0].name}"
            key = cachekey.of_copy((), selections, ("context",))

            def perform(_: str, room: Workspace) -> None:
                with self.slot(), self.root(room) as root:
                    writer = copy.Writer(root, self.stop)
                    for placement in copy.placements(selections, destination, is_directory=False):
                        writer.place(placement, selector.tree, copy.Ownership())

            return self.layers_of((), key, None, perform)


def step_name() -> str:
    """A name that tells whose step it is (``OciRuntime.sweep_steps``)."""
    return f"build-{os.getpid()}-{next(_serial)}"
