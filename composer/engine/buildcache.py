"""``cache_from`` and ``cache_to``: a builder that brings caches in before a build and sends them out after.

``type=local`` is a directory that holds one OCI archive, ``cache.oci.tar``; ``type=registry`` an image
reference; ``type=inline`` the built image itself.  All three are images that carry their steps
(``dockerfile.stepcache``).  A cache that cannot be had is no error: the build does the work instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.dockerfile import stepcache
from composer.dockerfile.progress import Progress
from composer.model import manifest, pulling
from composer.model.image import ImageConfig

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.model.distribution import Transfer
    from composer.model.image import Image
    from composer.model.protocols import Builder, BuildRequest, Interrupt, StepReport

ARCHIVE = "cache.oci.tar"
LOCAL, REGISTRY, INLINE = "local", "registry", "inline"

Steps = dict[str, tuple[str, ...]]


@attrs.frozen(kw_only=True)
class Place:
    """One entry of ``cache_from`` or ``cache_to``; ``where`` is a directory or a reference."""

    kind: str
    where: str = ""
    keeps_all: bool = False


def parse(text: str) -> Place:
    """Read ``type=local,src=DIR``, ``type=registry,ref=NAME``, ``type=inline`` or a bare reference."""
    if "=" not in text:
        return Place(kind=REGISTRY, where=text)
    fields = dict(word.partition("=")[::2] for word in text.split(","))
    kind = fields.get("type", "")
    where = fields.get("src") or fields.get("dest") or fields.get("ref") or ""
    return Place(kind=kind, where=where, keeps_all=fields.get("mode") == "max")


class CachingBuilder:
    """A builder (``protocols.Builder``) with the caches that its requests name."""

    def __init__(self, builder: Builder, drivers: Drivers) -> None:
        self._builder = builder
        self._drivers = drivers

    def check(self, request: BuildRequest, interrupt: Interrupt) -> tuple[str, ...]:
        """As ``Builder``."""
        return tuple(self._builder.check(request, interrupt))

    def build(
        self,
        request: BuildRequest,
        say: Callable[[str], None],
        interrupt: Interrupt,
        *,
        report: Callable[[StepReport], None] | None = None,
        keep: Callable[[str, tuple[str, ...]], None] | None = None,
    ) -> Image:
        """As ``Builder``."""
        if not (request.cache_from or request.cache_to):
            return self._builder.build(request, say, interrupt, report=report, keep=keep)
        steps: Steps = {}

        def remember(key: str, layers: tuple[str, ...]) -> None:
            steps[key] = layers
            if keep is not None:
                keep(key, layers)

        said = Progress(say, report)
        for place in map(parse, request.cache_from):
            _attempt(said, f"importing cache from {place.where}", partial(self._bring, place, interrupt))
        with self._drivers.images.lease():
            image = self._builder.build(request, say, interrupt, report=report, keep=remember)
            for place in map(parse, request.cache_to):
                if place.kind == INLINE:
                    image = self._with_steps(image, steps, request.tags)
            for place in map(parse, request.cache_to):
                if place.kind != INLINE:
                    send = partial(self._send, place, image, steps, interrupt)
                    _attempt(said, f"exporting cache to {place.where}", send)
        return image

    # ----------------------------------------------------------------- in

    def _bring(self, place: Place, interrupt: Interrupt) -> None:
        store = self._drivers.images
        with store.lease():
            if place.kind == LOCAL:
                from composer.image import loading

                with open(Path(place.where) / ARCHIVE, "rb") as stream:
                    loaded = loading.load(store, stream, _silence, keeps_names=False)
                for one in loaded:
                    self._take(one.image)
                    self._let_go(one.image)
            elif place.kind == REGISTRY:
                self._take(self._drivers.supply.ensure(place.where, pulling.ALWAYS, interrupt=interrupt))
            else:
                raise _unknown(place)

    def _let_go(self, image: Image) -> None:
        """Forget an image that only carried steps, unless it has a name: its layers stay, as theirs."""
        store = self._drivers.images
        if not store.get(image.id).tags:
            store.remove(image.id)

    def _take(self, image: Image) -> None:
        """Remember the steps that an image carries."""
        text = image.config.labels.get(stepcache.LABEL, "")
        for key, layers in stepcache.steps_in(text, image.layers).items():
            self._drivers.images.remember(key, layers)

    # ----------------------------------------------------------------- out

    def _with_steps(self, image: Image, steps: Steps, tags: tuple[str, ...]) -> Image:
        """The image with the steps that made it, under the same names."""
        labels = {**image.config.labels, stepcache.LABEL: stepcache.text_of(steps, image.layers)}
        return self._drivers.images.add_image(
            attrs.evolve(image.config, labels=labels),
            image.layers,
            history=image.history,
            tags=tags,
            created=image.created,
        )

    def _send(self, place: Place, image: Image, steps: Steps, interrupt: Interrupt) -> None:
        if place.kind not in {LOCAL, REGISTRY}:
            raise _unknown(place)
        layers = list(dict.fromkeys(image.layers))
        if place.keeps_all:
            further = (layer for given in steps.values() for layer in given)
            layers = list(dict.fromkeys((*layers, *further)))[: manifest.MOST_LAYERS]
        store = self._drivers.images
        config = ImageConfig(labels={stepcache.LABEL: stepcache.text_of(steps, layers)})
        tags = (place.where,) if place.kind == REGISTRY else ()
        made = store.add_image(config, layers, tags=tags, created=image.created)
        if place.kind == REGISTRY:
            self._drivers.supply.push(place.where, interrupt=interrupt)
            return
        try:
            self._write(made, Path(place.where))
        finally:
            self._let_go(made)

    def _write(self, image: Image, directory: Path) -> None:
        """Write the archive, whole or not at all."""
        from composer.image import saving

        directory.mkdir(parents=True, exist_ok=True)
        new = directory / f".{ARCHIVE}.{os.getpid()}"
        try:
            with open(new, "wb") as file:
                chosen = (saving.Chosen(image=image, tags=()),)
                saving.save(self._drivers.images, chosen, file.write, "oci-archive")
                file.flush()
                os.fsync(file.fileno())
            new.replace(directory / ARCHIVE)
        finally:
            new.unlink(missing_ok=True)


def _attempt(said: Progress, what: str, act: Callable[[], None]) -> None:
    """Try, and say so; what fails but for an interrupt is a warning."""
    try:
        act()
    except errors.Interrupted:
        raise
    except errors.ComposerError as error:
        said.note(f"[Warning] {what}: {error.message}")
    except OSError as error:
        said.note(f"[Warning] {what}: {error.strerror}")
    else:
        said.note(what)


def _unknown(place: Place) -> errors.UsageError:
    message = f"there is no cache of type {place.kind!r}"
    return errors.UsageError(message, hint=f"There are {LOCAL}, {REGISTRY} and {INLINE}.")


def _silence(_transfer: Transfer) -> None:
    """Say nothing of single layers."""
