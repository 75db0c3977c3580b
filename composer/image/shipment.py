"""How an image leaves the store: as a manifest and blobs that a registry or an archive takes.

What came from a registry goes out with exactly the bytes it came with.  A layer made here is packed
(``image.pack``, always the same bytes) and compressed (``image.gzipping``, likewise); the blob is
kept and recorded, so the next push finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer import errors
from composer.image import adoption, blobs, pack
from composer.image.gzipping import Gzip
from composer.model import canonical, manifest, reference
from composer.model.distribution import Descriptor, Pulled, PushRequest
from composer.model.manifest import Manifest

if TYPE_CHECKING:
    from composer.image.store import Store
    from composer.model.image import Image


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
    """The layer's archive as a blob, made if there is none yet."""
    rows = store.database.rows(
        "SELECT blob, media_type, size FROM layer_blobs WHERE diff_id = ? ORDER BY rowid", (diff_id,)
    )
    for row in rows:
        if store.blobs.has(row["blob"]):
            return Descriptor(media_type=row["media_type"], digest=row["blob"], size=row["size"])
    return _pack(store, diff_id)


def _pack(store: Store, diff_id: str) -> Descriptor:
    (tree,) = store.paths_of_layers([diff_id])
    staged = store.staging("pack")
    archive = staged / "layer.tar.gz"
    try:
        with archive.open("wb") as file, Gzip(file.write) as gzip:
            found, _ = pack.digest_and_write(tree, gzip.write)
        if found != diff_id:
            message = (
                f"layer {diff_id} cannot be packed again: its archive is gone and its tree gives {found}"
            )
            hint = "Pull or load the image again, or build it again if it was built here."
            raise errors.StoreDamaged(message, hint=hint)
        descriptor = store.blobs.take(archive, manifest.OCI_LAYER_GZIP)
    finally:
        store.discard(staged)
    with store.database.transaction() as db:
        db.execute(
            "INSERT INTO layer_blobs VALUES (?, ?, ?, ?) ON CONFLICT (blob) DO NOTHING",
            (descriptor.digest, diff_id, descriptor.media_type, descriptor.size),
        )
    return descriptor


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
