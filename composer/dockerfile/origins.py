"""Where a build's files come from: its context, named contexts and images.

A name of ``--from`` or ``FROM`` that is no stage is a named context where there is one, else an image;
an image that is missing, or that is to be fresh, is pulled where there is somebody who can.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from composer import errors
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.progress import Progress
from composer.dockerfile.turns import Turns
from composer.model import pulling, reference
from composer.model.distribution import Transfer, TransferState
from composer.model.image import Image
from composer.model.protocols import BuildRequest, ImageSource, ImageStore, Interrupt

IMAGE_SCHEME = "docker-image://"


@attrs.frozen(kw_only=True)
class Origin:
    """Files to read: a directory of the host with the rules that hide some of it, or layers.

    ``image`` is set when the layers are those of one, whose configuration counts in ``FROM``.
    """

    directory: Path | None = None
    rules: IgnoreRules = IgnoreRules()
    layers: tuple[str, ...] = ()
    image: Image | None = None


class Origins:
    """The origins of one build; safe for several stages at once."""

    def __init__(
        self,
        images: ImageStore,
        request: BuildRequest,
        context: Origin,
        *,
        source: ImageSource | None,
        stop: Interrupt,
        progress: Progress,
        open_context: Callable[[str], Origin],
    ) -> None:
        self.context = context
        self._images = images
        self._contexts = {_normalised(name): address for name, address in request.contexts.items()}
        self._pulls = request.pulls
        self._source = source
        self._stop = stop
        self._open_context = open_context
        self._progress = progress
        self._turns = Turns()
        self._opened: dict[str, Origin] = {}
        self._fresh: dict[str, Image] = {}

    def is_context(self, name: str) -> bool:
        """Whether a name means a named context."""
        return _normalised(name) in self._contexts

    def named(self, name: str) -> Origin | None:
        """The context that a name means, ``None`` when it means none."""
        key = _normalised(name)
        address = self._contexts.get(key)
        if address is None:
            return None
        if address.startswith(IMAGE_SCHEME):
            image = self.image(address.removeprefix(IMAGE_SCHEME))
            return Origin(layers=image.layers, image=image)
        with self._turns.hold(f"context {key}", self._stop):
            if key not in self._opened:
                self._opened[key] = self._open_context(address)
            return self._opened[key]

    def origin(self, name: str) -> Origin:
        """The named context or image of a ``--from`` that is no stage; raises ``ImageNotFound``."""
        found = self.named(name)
        if found is not None:
            return found
        image = self.image(name)
        return Origin(layers=image.layers, image=image)

    def image(self, name: str) -> Image:
        """An image, pulled where it must be; once per build."""
        with self._turns.hold(f"image {name}", self._stop):
            if name not in self._fresh:
                self._fresh[name] = self._settled(name)
            return self._fresh[name]

    def _settled(self, name: str) -> Image:
        if self._source is None or reference.looks_like_id(name):
            return self._images.get(name)
        found = None if self._pulls else self._images.find(name)
        return found or self._pulled(name, self._source)

    def _pulled(self, name: str, source: ImageSource) -> Image:
        step = self._progress.begin(f"[internal] pull {name}")

        def report(transfer: Transfer) -> None:
            if transfer.state is TransferState.DONE:
                step.feed(f"{transfer.digest} {transfer.state.value}\n".encode())

        policy = pulling.ALWAYS if self._pulls else pulling.MISSING
        try:
            image = source.ensure(name, policy, report=report, interrupt=self._stop)
        except errors.ComposerError as error:
            step.failed(error.message)
            raise
        step.done()
        return image


def _normalised(name: str) -> str:
    """A context's name as BuildKit compares it: ``alpine:latest`` and ``alpine`` are one."""
    try:
        familiar = reference.parse(name).familiar
    except errors.UsageError:
        return name.lower()
    return familiar.removesuffix(":latest")
