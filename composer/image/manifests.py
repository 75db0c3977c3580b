"""Manifests as they are written and read: OCI image-spec v1.1 ``manifest.md`` and ``image-index.md``.

Also Docker's schema 2, which has the same shape under other media types.  Parsing is bounded and
typed: a manifest is somebody else's, and what it names becomes paths only after ``blobs.hex_of``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs

from composer import errors
from composer.image import blobs
from composer.image.config import MOST_LAYERS
from composer.model.distribution import Descriptor, Platform

LARGEST = 4 * 1024 * 1024
"""Bytes of a manifest (distribution-spec v1.1, "Pushing Manifests")."""

MOST_MANIFESTS = 1000
"""Platforms that one index may list."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})


@attrs.frozen(kw_only=True)
class Manifest:
    """One image of one platform."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@attrs.frozen(kw_only=True)
class Index:
    """Several manifests (or further indexes), usually one per platform."""

    media_type: str
    manifests: tuple[Descriptor, ...]


def parse(content: bytes, media_type: str = "") -> Manifest | Index:
    """What the content is, by its own ``mediaType`` or the one it was announced with.

    Raises ``ImageError``: too large, malformed, of another kind than announced, or naming what no
    image can have (a config that is no image configuration, thousands of layers, an unknown digest).
    """
    if len(content) > LARGEST:
        message = f"the manifest has {len(content)} bytes; {LARGEST} is the most"
        raise errors.ImageError(message)
    try:
        document = json.loads(content)
        stated = str(document.get("mediaType") or "")
        has_index, has_manifest = "manifests" in document, "layers" in document or "config" in document
        if has_index and has_manifest:
            raise errors.ImageError("the manifest is ambiguous: it has both layers and manifests")
        if stated and media_type and stated != media_type:
            message = f"the manifest says {stated[:80]!r} but came as {media_type[:80]!r}"
            raise errors.ImageError(message)
        kind = stated or media_type
        if has_index:
            return _index(document, kind or OCI_INDEX)
        return _manifest(document, kind or OCI_MANIFEST)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"the manifest is malformed: {error}"
        raise errors.ImageError(message) from error


def _manifest(document: dict[str, Any], kind: str) -> Manifest:
    if kind not in MANIFESTS:
        message = f"the manifest is of no known kind: {kind[:80]!r}"
        raise errors.ImageError(message)
    config = descriptor_of(document["config"])
    if config.media_type not in CONFIGS:
        message = f"this is no container image: its configuration is {config.media_type[:80]!r}"
        raise errors.ImageError(message)
    layers = tuple(descriptor_of(layer) for layer in document["layers"])
    if len(layers) > MOST_LAYERS:
        message = f"the image has {len(layers)} layers; {MOST_LAYERS} is the most"
        raise errors.ImageError(message)
    return Manifest(media_type=kind, config=config, layers=layers)


def _index(document: dict[str, Any], kind: str) -> Index:
    if kind not in INDEXES:
        message = f"the index is of no known kind: {kind[:80]!r}"
        raise errors.ImageError(message)
    entries = document["manifests"]
    if len(entries) > MOST_MANIFESTS:
        message = f"the index lists {len(entries)} manifests; {MOST_MANIFESTS} is the most"
        raise errors.ImageError(message)
    return Index(media_type=kind, manifests=tuple(descriptor_of(entry) for entry in entries))


def descriptor_of(value: dict[str, Any]) -> Descriptor:
    """A descriptor as JSON has it; raises ``ImageError`` for a digest that is none."""
    digest, size = str(value["digest"]), value["size"]
    blobs.hex_of(digest)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        message = f"blob {digest} has no valid size"
        raise errors.ImageError(message)
    platform = value.get("platform")
    return Descriptor(
        media_type=str(value.get("mediaType") or ""),
        digest=digest,
        size=size,
        platform=Platform(
            os=str(platform.get("os") or ""),
            architecture=str(platform.get("architecture") or ""),
            variant=str(platform.get("variant") or ""),
        )
        if platform
        else None,
        annotations={str(key): str(text) for key, text in (value.get("annotations") or {}).items()},
    )


def to_tree(descriptor: Descriptor) -> dict[str, Any]:
    """The descriptor as JSON has it."""
    tree: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.platform is not None:
        platform = attrs.asdict(descriptor.platform)
        tree["platform"] = {key: value for key, value in platform.items() if value}
    if descriptor.annotations:
        tree["annotations"] = dict(descriptor.annotations)
    return tree


def manifest_json(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """An OCI manifest; equal parts give equal bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": to_tree(config),
        "layers": [to_tree(layer) for layer in layers],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def index_json(manifests: Sequence[Descriptor]) -> bytes:
    """An OCI index; equal parts give equal bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [to_tree(manifest) for manifest in manifests],
    }
    return json.dumps(document, separators=(",", ":")).encode()
