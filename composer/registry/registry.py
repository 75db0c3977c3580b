"""Registries as one thing: a name is pulled from wherever it leads, an image is pushed under a name."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs

import composer
from composer import errors
from composer.model import manifest as manifests
from composer.model import platforms
from composer.model.distribution import Descriptor, Pulled
from composer.model.manifest import Index, Manifest
from composer.registry import attempts, download, mirrors, registriesconf, upload, workers
from composer.registry.client import Client
from composer.registry.credentials import Credentials, Keyring
from composer.registry.retry import Patience
from composer.registry.transport import Transport

if TYPE_CHECKING:
    from composer.model.distribution import Blobs, Platform, PushRequest, Report
    from composer.model.protocols import Interrupt
    from composer.model.reference import Reference
    from composer.registry.client import Served
    from composer.registry.mirrors import Endpoint
    from composer.registry.registriesconf import RegistriesConf

_Result = TypeVar("_Result")

OnLayer = Callable[[Descriptor, int, Descriptor], None]
"""Called with an image's configuration, a layer's position among the layers, and the layer."""

_DEEPEST = 2
"""Indexes within indexes that are followed."""


@attrs.frozen(kw_only=True)
class Arrived:
    """What a pull brought: ``name`` is the complete name that it was found under."""

    name: Reference
    pulled: Pulled


class Registry:
    """Pulls and pushes in the name of one user, whose ``environment`` says all there is to know."""

    def __init__(self, environment: Mapping[str, str], patience: Patience | None = None) -> None:
        self._environment = dict(environment)
        self._patience = patience or Patience()
        self._keyring = Keyring(self._environment, lambda: self.conf.helpers)
        agent = f"composer/{composer.__version__}"
        self._transport = Transport(self._environment, self._patience, agent=agent)
        self._lock = threading.Lock()
        self._conf: RegistriesConf | None = None

    @property
    def conf(self) -> RegistriesConf:
        """``registries.conf``, read when it is first needed."""
        with self._lock:
            if self._conf is None:
                self._conf = registriesconf.load(self._environment)
            return self._conf

    # ------------------------------------------------------------------ pull

    def pull(
        self,
        text: str,
        blobs: Blobs,
        *,
        platform: Platform | None = None,
        report: Report,
        interrupt: Interrupt | None = None,
        on_layer: OnLayer | None = None,
    ) -> Arrived:
        """Fetch an image into ``blobs``; ``platform`` is this host's unless given.

        ``on_layer`` hears of each layer that is here while others are still on their way.  Raises
        ``RegistryNotFound`` when no place has it, other kinds of ``RegistryError``, ``ImageError`` for
        what is no image or not for the platform, ``Interrupted``.
        """
        target = _Target(blobs=blobs, platform=platform, report=report, on_layer=on_layer or _nothing)

        def pull_from(name: Reference, endpoint: Endpoint) -> Arrived:
            stop = workers.Linked(interrupt)
            try:
                client = self._client(endpoint, interrupt=stop)
                pulled = _Pull(client, target, stop).run(name.digest or name.tag)
            finally:
                stop.close()
            return Arrived(name=name, pulled=pulled)

        return self._from_first(text, pull_from, interrupt)

    def digest_of(self, text: str, *, interrupt: Interrupt | None = None) -> str:
        """The digest that a name stands for now, as its registry says."""

        def ask(name: Reference, endpoint: Endpoint) -> str:
            return name.digest or self._client(endpoint, interrupt=interrupt).digest_of(name.tag)

        return self._from_first(text, ask, interrupt)

    def tags(self, text: str, *, interrupt: Interrupt | None = None) -> tuple[str, ...]:
        """Every tag of a repository."""

        def ask(_name: Reference, endpoint: Endpoint) -> tuple[str, ...]:
            return self._client(endpoint, interrupt=interrupt).tags()

        return self._from_first(text, ask, interrupt)

    def _from_first(
        self, text: str, ask: Callable[[Reference, Endpoint], _Result], interrupt: Interrupt | None
    ) -> _Result:
        """The answer of the first place that has one; raises what the last says, telling of all."""
        failures: list[errors.ImageError] = []
        for name in mirrors.candidates(self.conf, text):
            for endpoint in mirrors.sources(self.conf, name):
                attempts.check(interrupt)
                try:
                    return ask(name, endpoint)
                except errors.ImageError as error:
                    failures.append(error)
        raise _told(failures)

    # ------------------------------------------------------------------ push

    def push(
        self,
        name: Reference,
        request: PushRequest,
        blobs: Blobs,
        *,
        report: Report,
        interrupt: Interrupt | None = None,
    ) -> str:
        """Send an image; returns its digest.  Raises ``RegistryError`` and its kinds, ``Interrupted``."""
        endpoint = mirrors.destination(self.conf, name)
        parts = {blob.digest: blob for blob in (*request.layers, request.config)}
        origins = {
            digest: origin
            for digest, origin in request.origins.items()
            if digest in parts and origin != endpoint.repository
        }
        stop = workers.Linked(interrupt)
        try:
            client = self._client(
                endpoint, actions="pull,push", interrupt=stop, origins=sorted(set(origins.values()))
            )
            workers.run_all(
                [
                    partial(upload.upload, client, blobs, blob, origins.get(digest, ""), report)
                    for digest, blob in parts.items()
                ],
                stop,
            )
            client.put_manifest(name.tag, request.manifest, request.media_type)
            return f"sha256:{hashlib.sha256(request.manifest).hexdigest()}"
        finally:
            stop.close()

    # ------------------------------------------------------------------ login

    def login(self, registry: str, credentials: Credentials) -> str:
        """Check credentials and keep them; returns where.  Raises ``RegistryDenied`` and others."""
        endpoint = mirrors.of_registry(self.conf, registry)
        client = self._client(endpoint, credentials=credentials)
        client.check()
        if client.identity:
            # The token stands for the password, which need not be kept then.
            credentials = attrs.evolve(credentials, identity=client.identity, password="")
        return self._keyring.keep(registry, credentials)

    def logout(self, registry: str) -> bool:
        """Forget credentials; returns whether there were any."""
        return self._keyring.forget(registry)

    def user_of(self, registry: str) -> Credentials | None:
        """The credentials kept for a registry."""
        return self._keyring.find(registry)

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def _client(
        self,
        endpoint: Endpoint,
        *,
        actions: str = "pull",
        interrupt: Interrupt | None = None,
        credentials: Credentials | None = None,
        origins: Sequence[str] = (),
    ) -> Client:
        return Client(
            endpoint,
            self._transport,
            self._keyring,
            self._patience,
            actions=actions,
            interrupt=interrupt,
            credentials=credentials,
            origins=origins,
        )


@attrs.frozen(kw_only=True)
class _Target:
    """Where a pull goes, and who hears of it."""

    blobs: Blobs
    platform: Platform | None
    report: Report
    on_layer: OnLayer


class _Pull:
    """One image from one endpoint."""

    def __init__(self, client: Client, target: _Target, stop: workers.Linked) -> None:
        self._client = client
        self._blobs = target.blobs
        self._platform = target.platform
        self._report = target.report
        self._on_layer = target.on_layer
        self._stop = stop

    def run(self, name: str) -> Pulled:
        """Everything of the image is in the store afterwards."""
        served, found, index_digest = self._chosen(self._client.manifest(name))
        self._blobs.put(served.content)
        layers = {layer.digest: (number, layer) for number, layer in enumerate(found.layers)}
        calls = [partial(download.download, self._client, self._blobs, found.config, _silence)]
        calls += [partial(self._fetch_layer, found.config, *numbered) for numbered in layers.values()]
        workers.run_all(calls, self._stop)
        if self._platform is not None and not index_digest:
            self._refuse_other_platform(found.config.digest, self._platform)
        own = Descriptor(media_type=found.media_type, digest=served.digest, size=len(served.content))
        return Pulled(manifest=own, config=found.config, layers=found.layers, index_digest=index_digest)

    def _chosen(self, served: Served) -> tuple[Served, Manifest, str]:
        """The platform's manifest, and the digest of the index that was served."""
        index_digest = ""
        wanted = self._platform or platforms.this_host()
        for _ in range(_DEEPEST + 1):
            found = manifests.parse(served.content, served.media_type)
            if isinstance(found, Manifest):
                return served, found, index_digest
            self._blobs.put(served.content)
            index_digest = index_digest or served.digest
            child = platforms.best(found.children, wanted)
            if child is None:
                raise _no_platform(self._client.endpoint.name, found, wanted)
            if child.size > manifests.LARGEST:
                message = f"the manifest for {wanted} is larger than {manifests.LARGEST >> 20} MiB"
                raise errors.ImageError(message)
            served = self._client.manifest(child.digest)
        message = f"{self._client.endpoint.name} is an index of indexes of indexes"
        raise errors.ImageError(message)

    def _refuse_other_platform(self, config: str, wanted: Platform) -> None:
        """An image without index is for one platform, which its configuration names."""
        with self._blobs.open(config) as file:
            try:
                document = json.loads(file.read(manifests.LARGEST))
                system, architecture = str(document["os"]), str(document["architecture"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise errors.ImageError("the image's configuration is malformed") from error
        if (system, architecture) != (wanted.os, wanted.architecture):
            message = f"{self._client.endpoint.name} is for {system}/{architecture} only, not for {wanted}"
            raise errors.ImageError(message)

    def _fetch_layer(self, config: Descriptor, number: int, layer: Descriptor) -> None:
        download.download(self._client, self._blobs, layer, self._report)
        if self._blobs.has(config.digest):  # it was asked for first, and is small
            self._on_layer(config, number, layer)


def _silence(_transfer: object) -> None:
    """The configuration is small: its progress is of no interest."""


def _nothing(_config: Descriptor, _number: int, _layer: Descriptor) -> None:
    """Nobody wants to hear of layers."""


def _no_platform(name: str, found: Index, wanted: Platform) -> errors.ImageError:
    offered = sorted(
        {str(child.platform) for child in found.children if child.platform and child.platform.os != "unknown"}
    )
    message = f"{name} has no image for {wanted}"
    hint = f"There are: {', '.join(offered)}; choose one with --platform." if offered else ""
    return errors.ImageError(message, hint=hint)


def _told(failures: list[errors.ImageError]) -> errors.ImageError:
    """The last failure, which is that of the registry itself, with what its mirrors said."""
    *before, last = failures
    if before:
        said = "; ".join(dict.fromkeys(error.message for error in before))
        last.message = f"{last.message} (before that: {said})"
        last.args = (last.message,)
    return last
