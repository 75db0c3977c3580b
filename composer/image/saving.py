"""``image save``: images as one archive, in either of the two formats that everybody reads.

Both are an OCI image layout (image-spec v1.1 ``image-layout.md``) in a tar.  ``docker-archive`` adds
Docker's ``manifest.json`` and has the layers as plain archives, as ``docker save`` of today writes
it, so that ``docker load`` of every age, ``podman load`` and skopeo (``docker-archive:`` as well as
``oci-archive:``) take it.  ``oci-archive`` has the very manifests and compressed blobs that a push
would send.  What says what is inside comes first, then every blob once.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from composer.image import blobs, shipment
from composer.model import manifest, reference
from composer.model.distribution import Descriptor, Platform, PushRequest
from composer.model.manifest import Index, Manifest

if TYPE_CHECKING:
    from composer.image.store import Store
    from composer.model.image import Image

DOCKER, OCI = "docker-archive", "oci-archive"
FORMATS = (DOCKER, OCI)
REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
_BLOCK, _RECORD = 512, 10240
_CHUNK = 1 << 20

Sink = Callable[[bytes], object]


@attrs.frozen(kw_only=True)
class Chosen:
    """An image to be saved, and the references that go with it."""

    image: Image
    tags: tuple[str, ...]


def choose(store: Store, names: Sequence[str]) -> tuple[Chosen, ...]:
    """The images that names mean: ``name:tag`` with that tag, ``name`` with all its tags, an id with none."""
    found: dict[str, list[str]] = {}
    for name in names:
        for image, tags in _named(store, name):
            known = found.setdefault(image.id, [])
            known += [tag for tag in tags if tag not in known]
    return tuple(Chosen(image=store.get(image), tags=tuple(tags)) for image, tags in found.items())


def _named(store: Store, name: str) -> list[tuple[Image, tuple[str, ...]]]:
    last = name.rpartition("/")[2]
    if ":" not in last and "@" not in name:
        prefix = str(reference.parse(name)).removesuffix("latest")
        whole = [
            (image, tags)
            for image in store.list()
            if (tags := tuple(tag for tag in image.tags if tag.startswith(prefix)))
        ]
        if whole:
            return whole
    image = store.get(name)
    full = str(reference.parse(name)) if not name.startswith("sha256:") else ""
    return [(image, (full,) if full in image.tags else ())]


def save(store: Store, chosen: Sequence[Chosen], sink: Sink, form: str = DOCKER) -> None:
    """Write the archive into ``sink``; raises ``StoreDamaged`` when a layer cannot be had any more."""
    with store.lease():
        if form == DOCKER:
            _save_plain(store, chosen, sink)
        else:
            _save_shipments(store, chosen, sink)


def _save_shipments(store: Store, chosen: Sequence[Chosen], sink: Sink) -> None:
    requests = [_request(store, one) for one in chosen]
    archive = _Archive(sink)
    described = [
        _described(one, request.manifest, request.media_type)
        for one, request in zip(chosen, requests, strict=True)
    ]
    archive.begin(tuple(entry for entries in described for entry in entries))
    for request in requests:
        archive.add_bytes(blobs.digest_of(request.manifest), request.manifest)
        for part in (request.config, *request.layers):
            archive.add(part.digest, part.size, _copier(store, part.digest))
    archive.end()


def _request(store: Store, one: Chosen) -> PushRequest:
    repository = reference.parse(one.tags[0]).repository if one.tags else "saved"
    return shipment.push_request(store, one.image, repository)


def _save_plain(store: Store, chosen: Sequence[Chosen], sink: Sink) -> None:
    archive = _Archive(sink)
    entries: list[Descriptor] = []
    docker: list[dict[str, object]] = []
    contents: list[tuple[Chosen, bytes, bytes]] = []
    sizes: dict[str, int] = {}
    for one in chosen:
        config = store.configuration_bytes(one.image)
        for layer in one.image.layers:
            if layer not in sizes:
                sizes[layer] = shipment.archive_size(store, layer)
        content = manifest.to_json(
            Manifest(
                media_type=manifest.OCI_MANIFEST,
                config=Descriptor(media_type=manifest.OCI_CONFIG, digest=one.image.id, size=len(config)),
                layers=tuple(
                    Descriptor(media_type=manifest.OCI_LAYER, digest=layer, size=sizes[layer])
                    for layer in one.image.layers
                ),
            )
        )
        contents.append((one, config, content))
        entries += _described(one, content, manifest.OCI_MANIFEST)
        docker.append(
            {
                "Config": _path(one.image.id),
                "RepoTags": [reference.parse(tag).familiar for tag in one.tags] or None,
                "Layers": [_path(layer) for layer in one.image.layers],
            }
        )
    archive.begin(tuple(entries), json.dumps(docker, separators=(",", ":")).encode())
    for one, config, content in contents:
        archive.add_bytes(one.image.id, config)
        archive.add_bytes(blobs.digest_of(content), content)
        for layer in one.image.layers:
            archive.add(layer, sizes[layer], _unpacker(store, layer))
    archive.end()


def _described(one: Chosen, content: bytes, media_type: str) -> list[Descriptor]:
    """The index's entries for an image: one per reference, or one without a name."""
    image = one.image
    platform = Platform(os=image.os, architecture=image.architecture, variant=image.variant)
    entry = Descriptor(
        media_type=media_type, digest=blobs.digest_of(content), size=len(content), platform=platform
    )
    # Podman up to version 4 takes the whole name from the annotation that should be a tag.
    return [attrs.evolve(entry, annotations={REF_NAME: tag, CONTAINERD_NAME: tag}) for tag in one.tags] or [
        entry
    ]


def _copier(store: Store, digest: str) -> Callable[[Sink], object]:
    def copy(sink: Sink) -> None:
        with store.blobs.open(digest) as file:
            while data := file.read(_CHUNK):
                sink(data)

    return copy


def _unpacker(store: Store, layer: str) -> Callable[[Sink], object]:
    return lambda sink: shipment.write_layer(store, layer, sink)


def _path(digest: str) -> str:
    algorithm, _, digits = digest.partition(":")
    return f"blobs/{algorithm}/{digits}"


class _Archive:
    """A tar of an image layout: numeric owners, no times, so that equal images are equal archives."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._written = 0
        self._blobs: set[str] = set()

    def begin(self, entries: tuple[Descriptor, ...], docker: bytes | None = None) -> None:
        """What the archive holds."""
        self._file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        self._file("index.json", manifest.to_json(Index(media_type=manifest.OCI_INDEX, children=entries)))
        if docker is not None:
            self._file("manifest.json", docker)
        for name in ("blobs", "blobs/sha256"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            self._put(info.tobuf(tarfile.USTAR_FORMAT))

    def add(self, digest: str, size: int, write: Callable[[Sink], object]) -> None:
        """A blob, if it is not there yet."""
        if digest in self._blobs:
            return
        self._blobs.add(digest)
        self._header(_path(digest), size)
        before = self._written
        write(self._put)
        self._pad(self._written - before)

    def add_bytes(self, digest: str, content: bytes) -> None:
        """A small blob."""
        self.add(digest, len(content), lambda sink: sink(content))

    def end(self) -> None:
        """The end of the archive."""
        self._put(bytes(2 * _BLOCK))
        self._put(bytes(-self._written % _RECORD))

    def _file(self, name: str, content: bytes) -> None:
        self._header(name, len(content))
        self._put(content)
        self._pad(len(content))

    def _header(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o644
        self._put(info.tobuf(tarfile.GNU_FORMAT))

    def _pad(self, size: int) -> None:
        self._put(bytes(-size % _BLOCK))

    def _put(self, data: bytes) -> None:
        self._written += len(data)
        self._sink(data)
