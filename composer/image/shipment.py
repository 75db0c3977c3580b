"""How an image leaves the store: as a manifest and blobs that a registry or an archive takes.

What came from a registry goes out with exactly the bytes it came with.  A layer made here is packed
(``image.pack``, always the same bytes) and compressed (``image.gzipping``, likewise); the blob is
kept and recorded, so the next push finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from composer import errors
from composer.image import adoption, blobs, compression, pack
from composer.image.gzipping import Gzip
from composer.model import canonical, manifest, reference
from composer.model.distribution import Descriptor, Pulled, PushRequest
from composer.model.manifest import Manifest

if TYPE_CHECKING:
    from composer.image.store import Store
    from composer.model.image import Image

_CHUNK = 1 << 20

PLAIN = frozenset({manifest.OCI_LAYER, "application/vnd.docker.image.rootfs.diff.tar"})
KEPT = "application/vnd.composer.layer.kept+zstd"
"""A layer that came as a plain archive, compressed to be kept: quick to make, and never sent to anybody."""


def push_request(store: Store, image: Image, repository: str) -> PushRequest:
    """See ``Store.push_request``."""
    known = _recorded(store, image, repository)
    if known is None:
        config = _config(store, image)
        layers = tuple(layer_blob(store, diff_id) for diff_id in image.layers)
        media_type = manifest.OCI_MANIFEST
        content = manifest.to_json(Manifest(media_type=media_type, config=config, layers=layers))
        _remember(store, content, config, layers)
    else:
        described, config, layers = known
        media_type = described.media_type
        content = store.blobs.read(described.digest, limit=manifest.LARGEST)
    return PushRequest(
        manifest=content,
        media_type=media_type,
        config=config,
        layers=layers,
        origins=_origins(store, layers, repository),
    )


def record_push(store: Store, request: PushRequest, tags: tuple[str, ...]) -> None:
    """See ``Store.record_push``."""
    pulled = Pulled(
        manifest=Descriptor(
            media_type=request.media_type,
            digest=blobs.digest_of(request.manifest),
            size=len(request.manifest),
        ),
        config=request.config,
        layers=request.layers,
    )
    with store.database.transaction() as db:
        for tag in tags:
            adoption.record_origin(db, reference.parse(tag), pulled)


def layer_blob(store: Store, diff_id: str) -> Descriptor:
    """The layer's compressed archive as a blob, made if there is none yet."""
    for known in archives_of(store, diff_id):
        if manifest.LAYER.fullmatch(known.media_type) and known.media_type not in PLAIN:
            return known
    staged = store.staging("pack")
    archive = staged / "layer.tar.gz"
    try:
        with archive.open("wb") as file, Gzip(file.write) as gzip:
            write_layer(store, diff_id, gzip.write)
        descriptor = store.blobs.take(archive, manifest.OCI_LAYER_GZIP)
    finally:
        store.discard(staged)
    with store.database.transaction() as db:
        adoption.record_archive(db, descriptor, diff_id)
    return descriptor


def archives_of(store: Store, diff_id: str) -> list[Descriptor]:
    """The blobs that unpack to a layer, oldest first."""
    rows = store.database.rows(
        "SELECT blob, media_type, size FROM layer_blobs WHERE diff_id = ? ORDER BY rowid", (diff_id,)
    )
    return [
        Descriptor(media_type=row["media_type"], digest=row["blob"], size=row["size"])
        for row in rows
        if store.blobs.has(row["blob"])
    ]


def write_layer(store: Store, diff_id: str, sink: Callable[[bytes], object]) -> int:
    """Write a layer's plain archive, the very bytes that its diffID is the digest of; returns how many.

    Raises ``StoreDamaged`` when they can be had no more; what was written by then is wrong.
    """
    known = archives_of(store, diff_id)
    if known:
        with store.blobs.open(known[0].digest) as file:
            found, count = _decompress(compression.decompressed(file), sink)
    else:
        (tree,) = store.paths_of_layers([diff_id])
        packed = pack.measure(tree, sink)
        found, count = packed.diff_id, packed.archive
    if found != diff_id:
        origin = f"its archive {known[0].digest}" if known else "its archive is gone and its tree"
        message = f"layer {diff_id} is damaged: {origin} gives {found}"
        hint = "`composer system check --repair` puts right what it can; or pull, load or build it again."
        raise errors.StoreDamaged(message, hint=hint)
    return count


def _decompress(source: blobs.Reader, sink: Callable[[bytes], object]) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    while data := source.read(_CHUNK):
        digest.update(data)
        count += len(data)
        sink(data)
    return f"sha256:{digest.hexdigest()}", count


def archive_size(store: Store, diff_id: str) -> int:
    """Bytes of the layer's plain archive."""
    row = store.database.row("SELECT archive FROM layers WHERE diff_id = ?", (diff_id,))
    if row is not None and row["archive"]:
        return int(row["archive"])
    return write_layer(store, diff_id, lambda _data: None)


def _config(store: Store, image: Image) -> Descriptor:
    return Descriptor(
        media_type=manifest.OCI_CONFIG, digest=image.id, size=len(store.configuration_bytes(image))
    )


def _recorded(
    store: Store, image: Image, repository: str
) -> tuple[Descriptor, Descriptor, tuple[Descriptor, ...]] | None:
    """The manifest that the image came with, preferably from this repository, if all its blobs are here."""
    rows = store.database.rows(
        "SELECT *, EXISTS (SELECT 1 FROM digests WHERE digests.manifest = manifests.digest"
        " AND digests.reference LIKE ?) AS is_ours"
        " FROM manifests WHERE image = ? ORDER BY is_ours DESC, recorded DESC",
        (f"{_name(repository)}@%", image.id),
    )
    for row in rows:
        config = canonical.from_json(Descriptor, row["config"])
        layers = canonical.from_json(tuple[Descriptor, ...], row["layers"])
        if all(
            store.blobs.has(digest) for digest in (row["digest"], *(one.digest for one in (config, *layers)))
        ):
            size = store.blobs.size(row["digest"])
            return Descriptor(media_type=row["media_type"], digest=row["digest"], size=size), config, layers
    return None


def _remember(store: Store, content: bytes, config: Descriptor, layers: tuple[Descriptor, ...]) -> None:
    digest = store.blobs.put(content)
    pulled = Pulled(
        manifest=Descriptor(media_type=manifest.OCI_MANIFEST, digest=digest, size=len(content)),
        config=config,
        layers=layers,
    )
    with store.database.transaction() as db:
        adoption.record_manifest(db, pulled)


def _origins(store: Store, layers: tuple[Descriptor, ...], repository: str) -> dict[str, str]:
    """Other repositories of the same registry that have a blob already."""
    target = _name(repository)
    domain = target.partition("/")[0]
    found: dict[str, str] = {}
    for layer in layers:
        rows = store.database.rows("SELECT repository FROM origins WHERE blob = ?", (layer.digest,))
        for row in rows:
            host, _, path = str(row["repository"]).partition("/")
            if host == domain and row["repository"] != target:
                found.setdefault(layer.digest, path)
    return found


def _name(repository: str) -> str:
    parsed = reference.parse(repository)
    return f"{parsed.domain}/{parsed.path}"
