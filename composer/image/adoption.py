"""How an image that was pulled or loaded becomes one of the store's.

Its blobs are here already, each verified against its digest.  Here the configuration is read, every
layer is unpacked in one pass and compared with the diffID that the configuration promises, and one
transaction records image, manifest and names.  A crash before it leaves layers and blobs that
nothing names, for the next collection; the same call made again finds them and goes on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from composer import errors
from composer.host import durable
from composer.image import blobs, pack, unpack
from composer.image import config as configs
from composer.model import canonical, manifest, reference
from composer.model.distribution import Descriptor, Pulled, Report, Transfer, TransferState

if TYPE_CHECKING:
    import sqlite3

    from composer.image.store import Store
    from composer.model.image import Image

_AT_ONCE = 2
"""Layers unpacked at once: more only compete for the disk's journal."""


def adopt(store: Store, pulled: Pulled, tags: Sequence[str], report: Report, *, from_registry: bool) -> Image:
    """See ``Store.adopt``."""

    def record(db: sqlite3.Connection) -> None:
        record_manifest(db, pulled)
        for tag in tags:
            parsed = reference.parse(tag)
            if not parsed.digest:
                store.record_tag(db, str(parsed), pulled.config.digest)
            if from_registry:
                record_origin(db, parsed, pulled)

    return assemble(store, pulled.config, pulled.layers, report, record)


def assemble(
    store: Store,
    config: Descriptor,
    layers: Sequence[Descriptor],
    report: Report,
    record: Callable[[sqlite3.Connection], None],
) -> Image:
    """Make an image of a configuration and the archives of its layers; ``record`` adds to its record."""
    content = store.blobs.read(config.digest, limit=configs.LARGEST)
    configuration = configs.from_json(content)
    if config.media_type not in manifest.CONFIGS:
        message = f"this is no container image: its configuration is {config.media_type[:80]!r}"
        raise errors.ImageError(message)
    if len(layers) != len(configuration.layers):
        message = f"the image has {len(layers)} layers, its configuration {len(configuration.layers)}"
        raise errors.ImageError(message)
    different = dict(zip(configuration.layers, layers, strict=True))
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="unpack") as workers:
        unpacking = [
            workers.submit(_unpack, store, layer, diff_id, report) for diff_id, layer in different.items()
        ]
        try:
            for one in unpacking:
                one.result()
        except BaseException:
            for one in unpacking:
                one.cancel()
            raise
    with store.database.transaction() as db:
        store.record(db, config.digest, content, configuration)
        record(db)
    return store.get(config.digest)


def unpack_ahead(store: Store, config: Descriptor, position: int, layer: Descriptor, report: Report) -> None:
    """See ``Store.unpack_ahead``."""
    diff_ids = configs.from_json(store.blobs.read(config.digest, limit=configs.LARGEST)).layers
    if position < len(diff_ids):
        _unpack(store, layer, diff_ids[position], report)


def _unpack(store: Store, layer: Descriptor, diff_id: str, report: Report) -> None:
    """Make one layer, unless it is here or another process just makes it."""
    with store.layers.making(diff_id) as is_ours:
        if is_ours:
            report(Transfer(digest=layer.digest, state=TransferState.UNPACKING, total=layer.size))
            unpack_blob(store, layer.digest, diff_id, report)
    if not store.has_layer_record(diff_id):
        (tree,) = store.paths_of_layers([diff_id])
        store.record_layer(diff_id, size=pack.measure(tree).size, archive=0)
    with store.database.transaction() as db:
        record_archive(db, layer, diff_id)
    report(Transfer(digest=layer.digest, state=TransferState.DONE, done=layer.size, total=layer.size))


def unpack_blob(store: Store, blob: str, diff_id: str, report: Report) -> None:
    """Unpack a blob as the layer ``diff_id``; raises ``DigestMismatch`` when it is another one."""
    staged = store.staging("unpack")
    tree = staged / "tree"
    durable.make_directory(tree, 0o755)
    total = store.blobs.size(blob)
    try:
        with store.blobs.open(blob) as file:

            def advance(done: int) -> None:
                report(Transfer(digest=blob, state=TransferState.UNPACKING, done=done, total=total))

            unpacked = unpack.unpack(_Counted(file, advance), tree)
        if unpacked.diff_id != diff_id:
            message = f"layer {blob} unpacks to {unpacked.diff_id}, not to {diff_id} as the image promises"
            raise errors.DigestMismatch(message)
        store.publish_layer(tree, diff_id, size=unpacked.size, archive=unpacked.archive)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


class _Counted:
    """A stream that says how far it was read, a few times per second at most."""

    _EVERY = 0.1

    def __init__(self, source: blobs.Reader, advance: Callable[[int], None]) -> None:
        self._source = source
        self._advance = advance
        self._done = 0
        self._said = 0.0

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._done += len(data)
        now = time.monotonic()
        if now - self._said >= self._EVERY:
            self._said = now
            self._advance(self._done)
        return data


def record_archive(db: sqlite3.Connection, blob: Descriptor, diff_id: str) -> None:
    """Remember that a blob unpacks to a layer."""
    db.execute(
        "INSERT INTO layer_blobs VALUES (?, ?, ?, ?) ON CONFLICT (blob) DO NOTHING",
        (blob.digest, diff_id, blob.media_type, blob.size),
    )


def record_manifest(db: sqlite3.Connection, pulled: Pulled) -> None:
    """Remember that these blobs make up that image."""
    db.execute(
        "INSERT INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
        (
            pulled.manifest.digest,
            pulled.config.digest,
            pulled.manifest.media_type,
            canonical.to_json(pulled.config),
            canonical.to_json(pulled.layers),
            pulled.index_digest,
            time.time(),
        ),
    )


def record_origin(db: sqlite3.Connection, parsed: reference.Reference, pulled: Pulled) -> None:
    """Remember that the repository has the image, by which digests, and that it has these blobs.

    One digest is shown: the one asked for, else the index's, else the manifest's.  All resolve.
    """
    shown = parsed.digest or pulled.index_digest or pulled.manifest.digest
    name = f"{parsed.domain}/{parsed.path}"
    for digest in {shown, pulled.index_digest, pulled.manifest.digest} - {""}:
        db.execute(
            "INSERT INTO digests VALUES (?, ?, ?, ?) ON CONFLICT (reference) DO UPDATE SET"
            " image = excluded.image, manifest = excluded.manifest,"
            " is_shown = max(is_shown, excluded.is_shown)",
            (f"{name}@{digest}", pulled.config.digest, pulled.manifest.digest, int(digest == shown)),
        )
    for blob in (*pulled.layers, pulled.config):
        db.execute("INSERT INTO origins VALUES (?, ?) ON CONFLICT DO NOTHING", (blob.digest, name))
