"""Manifests and indexes: what a tag names, parsed within bounds.

Sources: OCI image-spec v1.1 (``manifest.md``, ``image-index.md``, ``descriptor.md``) and Docker image
manifest version 2, schema 2.  What comes is hostile until proven otherwise: its size, the number of
its children and their digests are checked before anything is fetched or any path is built; a
document that could be read as two kinds of thing is refused (CVE-2021-41190, GHSA-77vh-xpmg-72qh).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from composer import errors
from composer.model.distribution import Descriptor, Platform

LARGEST = 4 * 1024 * 1024
"""Bytes of a manifest (distribution-spec v1.1: at least 4 MiB should be accepted)."""

MOST_CHILDREN = 1000
"""Manifests of one index; the widest of Docker Hub's have some forty."""

MOST_LAYERS = 500
"""overlayfs stacks no more (``OVL_MAX_STACK``, linux/fs/overlayfs)."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"
_UNTYPED = ("", "application/json", "application/octet-stream", "text/plain")
"""What servers of plain files say; the document's own ``mediaType`` has the word then."""

LAYER = re.compile(
    r"application/vnd\.oci\.image\.layer\.(?:nondistributable\.)?v1\.tar(?:\+gzip|\+zstd)?"
    r"|application/vnd\.docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?"
)
_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@attrs.frozen(kw_only=True)
class Manifest:
    """One image for one platform."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Index:
    """The same image for several platforms, and things that are no images (attestations)."""

    media_type: str
    children: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = attrs.field(factory=dict)


def parse(content: bytes, media_type: str = "") -> Manifest | Index:
    """Read a manifest or index; ``media_type`` is what its source calls it ("" when it says nothing).

    Raises ``ImageError`` for what is too large, malformed, ambiguous, or no image.
    """
    if len(content) > LARGEST:
        message = f"the manifest is larger than {LARGEST >> 20} MiB"
        raise errors.ImageError(message)
    document = _document(content)
    kind = _kind_of(document, media_type.partition(";")[0].strip().lower())
    if kind in INDEXES:
        return _index(document, kind)
    if kind in MANIFESTS:
        return _manifest(document, kind)
    raise _no_image(kind)


def is_digest(text: object) -> bool:
    """Whether ``text`` is a digest that we can verify; nothing else ever becomes a path or an address."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def checked_digest(text: object) -> str:
    """The digest; raises ``ImageError`` for what is none."""
    if not is_digest(text):
        message = f"{str(text)[:80]!r} is not a SHA-256 digest"
        raise errors.ImageError(message)
    assert isinstance(text, str)
    return text


def to_json(manifest: Manifest | Index) -> bytes:
    """The manifest or index as it is pushed; the same value gives the same bytes."""
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": manifest.media_type}
    if isinstance(manifest, Manifest):
        document["config"] = _to_data(manifest.config)
        document["layers"] = [_to_data(layer) for layer in manifest.layers]
    else:
        document["manifests"] = [_to_data(child) for child in manifest.children]
    if manifest.annotations:
        document["annotations"] = dict(sorted(manifest.annotations.items()))
    return json.dumps(document, separators=(",", ":")).encode()


def _to_data(descriptor: Descriptor) -> dict[str, object]:
    data: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform is not None:
        parts = attrs.asdict(descriptor.platform)
        data["platform"] = {name: part for name, part in parts.items() if part}
    if descriptor.annotations:
        data["annotations"] = dict(sorted(descriptor.annotations.items()))
    return data


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise errors.ImageError("the manifest is not JSON") from error
    if not isinstance(document, dict):
        raise errors.ImageError("the manifest is not a JSON object")
    return document


def _kind_of(document: dict[str, Any], announced: str) -> str:
    """The one media type that source, document and structure agree on."""
    if announced.startswith(_SCHEMA_1) or document.get("schemaVersion") == 1:
        raise errors.ImageError(
            "the image is in Docker's schema 1 format, which no longer is in use",
            hint="Push it again with a Docker of 2017 or later.",
        )
    if document.get("schemaVersion") != 2:
        raise errors.ImageError("the manifest has no schemaVersion 2")
    written = document.get("mediaType", "")
    if not isinstance(written, str):
        raise errors.ImageError("the manifest's mediaType is not a text")
    announced = "" if announced in _UNTYPED else announced
    if announced and written and announced != written:
        message = f"the manifest calls itself {written}, its source calls it {announced}"
        raise errors.ImageError(message)
    has_children, has_parts = "manifests" in document, "config" in document or "layers" in document
    if has_children and has_parts:
        raise errors.ImageError("the manifest is ambiguous: it has both manifests and layers")
    kind = announced or written
    if not kind:
        return OCI_INDEX if has_children else OCI_MANIFEST
    if (kind in INDEXES and has_parts) or (kind in MANIFESTS and has_children):
        message = f"the manifest is called {kind}, which it is not"
        raise errors.ImageError(message)
    return kind


def _index(document: dict[str, Any], kind: str) -> Index:
    children = _list_of(document, "manifests", MOST_CHILDREN)
    return Index(
        media_type=kind,
        children=tuple(_descriptor(child) for child in children),
        annotations=_texts(document.get("annotations")),
    )


def _manifest(document: dict[str, Any], kind: str) -> Manifest:
    config = _descriptor(document.get("config"))
    if config.media_type not in CONFIGS:
        raise _no_image(str(document.get("artifactType") or config.media_type))
    layers = tuple(_descriptor(layer) for layer in _list_of(document, "layers", MOST_LAYERS))
    for layer in layers:
        if layer.media_type == _FOREIGN:
            raise errors.ImageError(
                "the image has layers that only Microsoft hands out: it is one for Windows",
                hint="Choose an image for Linux.",
            )
        if LAYER.fullmatch(layer.media_type) is None:
            message = f"layer {layer.digest[:19]} is of an unknown kind: {layer.media_type[:100]}"
            raise errors.ImageError(message)
    if config.size > LARGEST:
        message = f"the image's configuration is larger than {LARGEST >> 20} MiB"
        raise errors.ImageError(message)
    return Manifest(
        media_type=kind, config=config, layers=layers, annotations=_texts(document.get("annotations"))
    )


def _list_of(document: dict[str, Any], key: str, most: int) -> list[Any]:
    items = document.get(key)
    if not isinstance(items, list):
        message = f"the manifest's {key} are not a list"
        raise errors.ImageError(message)
    if len(items) > most:
        message = f"the manifest has {len(items)} {key}; {most} is the most"
        raise errors.ImageError(message)
    return items


def _descriptor(value: object) -> Descriptor:
    if not isinstance(value, dict):
        raise errors.ImageError("the manifest is malformed: a descriptor is missing")
    media_type, size = value.get("mediaType"), value.get("size")
    if not isinstance(media_type, str):
        raise errors.ImageError("the manifest is malformed: a descriptor has no mediaType")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        message = f"the manifest is malformed: {str(size)[:40]!r} is not a size"
        raise errors.ImageError(message)
    return Descriptor(
        media_type=media_type,
        digest=checked_digest(value.get("digest")),
        size=size,
        platform=_platform(value.get("platform")),
        annotations=_texts(value.get("annotations")),
    )


def _platform(value: object) -> Platform | None:
    if not isinstance(value, dict):
        return None
    os, architecture, variant = (str(value.get(key) or "") for key in ("os", "architecture", "variant"))
    return Platform(os=os, architecture=architecture, variant=variant)


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def _no_image(kind: str) -> errors.ImageError:
    message = f"this is not a container image but {kind[:100] or 'something without a media type'}"
    return errors.ImageError(message)
