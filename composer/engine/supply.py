"""Where images come from and go to: the store and the registries together (``protocols.ImageSource``)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from composer import errors
from composer.model import platforms, pulling, reference
from composer.model.pulling import PullPolicy, PullWhen
from composer.planner import images

if TYPE_CHECKING:
    from composer.image.store import Store
    from composer.model.distribution import Descriptor, Platform, Report, Transfer
    from composer.model.image import Image
    from composer.model.protocols import Interrupt
    from composer.registry.registry import Arrived, Registry


UNPACKED_AT_ONCE = 2
"""Layers: more only compete for the disk's journal."""


class ImageSupply:
    """The images of one store and of every registry, in the name of one user at a time."""

    def __init__(self, store: Store, environment: Mapping[str, str] | None = None) -> None:
        self._store = store
        self._environment = dict(os.environ if environment is None else environment)
        self._registry: Registry | None = None

    def use(self, environment: Mapping[str, str]) -> None:
        """From now on credentials, proxies and ``registries.conf`` are those of this environment."""
        if dict(environment) != self._environment:
            self._environment, self._registry = dict(environment), None

    @property
    def registry(self) -> Registry:
        """The client, whose import (urllib3, ssl) is for those who pull and push."""
        if self._registry is None:
            from composer.registry.registry import Registry

            self._registry = Registry(self._environment)
        return self._registry

    def ensure(
        self,
        name: str,
        policy: PullPolicy = pulling.MISSING,
        *,
        platform: str = "",
        report: Report | None = None,
        interrupt: Interrupt | None = None,
    ) -> Image:
        """See ``protocols.ImageSource``."""
        found = self._store.find(name)
        if found is not None:
            age = time.time() - self._store.named_at(name)
            if not images.reason_to_refresh(policy, age, name):
                return found
        elif policy.when in (PullWhen.NEVER, PullWhen.BUILD):
            return self._store.get(name)  # raises, with the ways to get one
        return self.pull(name, platform=platform, report=report, interrupt=interrupt)

    def pull(
        self,
        name: str,
        *,
        platform: str = "",
        report: Report | None = None,
        interrupt: Interrupt | None = None,
    ) -> Image:
        """Fetch an image whatever is there; raises ``RegistryError`` and its kinds, ``ImageError``."""
        report = _interruptible(report or _silence, interrupt)
        wanted = _platform(platform or self._environment.get("DOCKER_DEFAULT_PLATFORM", ""))
        asked = reference.parse(name)
        with self._store.lease():
            try:
                current = self._still_current(name, wanted or platforms.this_host(), interrupt)
                if current is not None:
                    return current
                arrived = self._fetch(name, wanted, report, interrupt)
            except errors.RegistryUnreachable as error:
                error.hint = f"{error.hint} {_without_registry(name)}".strip()
                raise
            names = [str(arrived.name)]
            if asked.digest and asked != arrived.name:
                names.append(str(asked))
            image = self._store.adopt(arrived.pulled, names, report)
            if asked != arrived.name and not asked.digest:
                self._store.tag(name, image.id)  # what it was asked for as, too: an alias is not known again
        return self._store.get(image.id)

    def _fetch(
        self, name: str, platform: Platform | None, report: Report, interrupt: Interrupt | None
    ) -> Arrived:
        """Fetch the blobs; layers are unpacked while others are still on their way.

        What goes wrong with that is no error here: ``adopt`` makes what is not made, and says what is wrong.
        """
        with ThreadPoolExecutor(UNPACKED_AT_ONCE, thread_name_prefix="ahead") as ahead:

            def unpack(config: Descriptor, position: int, layer: Descriptor) -> None:
                ahead.submit(self._store.unpack_ahead, config, position, layer, report)

            try:
                return self.registry.pull(
                    name,
                    self._store.blobs,
                    platform=platform,
                    report=report,
                    interrupt=interrupt,
                    on_layer=unpack,
                )
            except BaseException:
                ahead.shutdown(wait=False, cancel_futures=True)
                raise

    def _still_current(self, name: str, wanted: Platform, interrupt: Interrupt | None) -> Image | None:
        """The image of the store, if the registry says that the name stands for it; its age begins anew.

        That is asked without fetching the manifest, which registries count against a limit.
        """
        found = self._store.find(name)
        if found is None or reference.parse(name).digest:
            return None
        if (wanted.os, wanted.architecture) != (found.os, found.architecture):
            return None
        try:
            digest = self.registry.digest_of(name, interrupt=interrupt)
        except errors.RegistryUnreachable:
            raise
        except errors.RegistryError:
            return None  # asking for the manifest itself says what is wrong, if anything is
        if not any(one.endswith(f"@{digest}") for one in found.digests):
            return None
        self._store.tag(name, found.id)
        return self._store.get(found.id)

    def push(self, name: str, *, report: Report | None = None, interrupt: Interrupt | None = None) -> str:
        """Send an image of the store under its name; returns the manifest's digest."""
        asked = reference.parse(name)
        if asked.digest:
            message = f"{name} is named by digest: a push needs a tag"
            raise errors.UsageError(message)
        with self._store.lease():
            image = self._store.get(name)
            request = self._store.push_request(image, f"{asked.domain}/{asked.path}")
            digest = self.registry.push(
                asked, request, self._store.blobs, report=report or _silence, interrupt=interrupt
            )
            self._store.record_push(request, [str(asked)])
        return digest


def _platform(text: str) -> Platform | None:
    if not text:
        return None
    try:
        return platforms.parse(text)
    except ValueError as error:
        raise errors.UsageError(str(error), hint="Expected OS/ARCHITECTURE[/VARIANT].") from error


def _without_registry(name: str) -> str:
    return (
        f"Without a registry, `composer image bootstrap {name}` makes a base image, "
        f"and `composer image import FILE {name}` brings one in."
    )


def _interruptible(report: Report, interrupt: Interrupt | None) -> Report:
    """A report that ends what it is told of: the store unpacks, and knows no interrupts."""

    def checked(transfer: Transfer) -> None:
        if interrupt is not None and interrupt.is_set:
            raise errors.Interrupted("interrupted")
        report(transfer)

    return checked


def _silence(_transfer: Transfer) -> None:
    return
