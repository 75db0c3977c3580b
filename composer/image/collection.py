"""What of the store nothing needs any more, and its removal.

Needed are: images with a name or a container, their configuration, layers, manifests and archives;
layers of the build cache; and, while anyone holds the lease (a pull, build, load or push that runs),
everything, because what it found here it will rely on.  Then garbage stays until the next collection.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.model import canonical
from composer.model.distribution import Descriptor

if TYPE_CHECKING:
    import sqlite3

    from composer.image.store import Store
    from composer.model.image import Image

HOW_TO_REPAIR = "`composer system check` tells what is damaged, with --repair it puts right what it can."


@attrs.frozen(kw_only=True)
class Collected:
    """What was deleted, and how many bytes of files and archives that were."""

    layers: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    freed: int = 0
    is_deferred: bool = False


def collect(store: Store, *, keeps_cache: bool = True) -> Collected:
    """Delete every layer and blob that nothing needs; nothing (deferred) while a lease is held.

    Without ``keeps_cache`` the build cache is forgotten, and layers that only it needed go too.
    """
    with store.layers.if_unleased() as is_free:
        if not is_free:
            return Collected(is_deferred=True)
        freed = store.blobs.sweep()
        store.layers.sweep()
        with store.database.transaction() as db:
            if not keeps_cache:
                db.execute("DELETE FROM build_cache")
            used = layers_in_use(db, cache=True)
            layers = [layer for layer in store.layers.diff_ids() if layer not in used]
            forget_layers(db, layers)
            needed = blobs_in_use(db)
            blobs = [blob for blob in store.blobs.digests() if blob not in needed]
            sizes = _sizes(db, layers)
            db.executemany("DELETE FROM layers WHERE diff_id = ?", [(layer,) for layer in layers])
        return _delete(store, layers, blobs, freed + sum(sizes.values()))


def collect_after(store: Store, image: Image) -> Collected:
    """Delete what only a deleted image needed, also from the build cache; nothing while a lease is held."""
    with store.layers.if_unleased() as is_free:
        if not is_free:
            return Collected(is_deferred=True)
        with store.database.transaction() as db:
            used = layers_in_use(db, cache=False)
            layers = [layer for layer in dict.fromkeys(image.layers) if layer not in used]
            sizes = _sizes(db, layers)
            forget_layers(db, layers)
            db.executemany("DELETE FROM layers WHERE diff_id = ?", [(layer,) for layer in layers])
            needed = blobs_in_use(db)
            blobs = [blob for blob in store.blobs.digests() if blob not in needed]
        return _delete(store, layers, blobs, sum(sizes.values()))


def layers_in_use(db: sqlite3.Connection, *, cache: bool) -> set[str]:
    """The diffIDs that images (and with ``cache`` build steps) need; raises ``StoreDamaged``."""
    rows = db.execute("SELECT layers FROM images").fetchall()
    if cache:
        rows += db.execute("SELECT layers FROM build_cache").fetchall()
    with _readable():
        return {layer for row in rows for layer in json.loads(row["layers"])}


def blobs_in_use(db: sqlite3.Connection) -> set[str]:
    """The digests that records name: configurations, manifests and what they name, layers' archives.

    Raises ``StoreDamaged``: who cannot read what is needed must not delete.
    """
    used = {str(row["id"]) for row in db.execute("SELECT id FROM images").fetchall()}
    for row in db.execute("SELECT digest, layers, parent FROM manifests").fetchall():
        used |= {row["digest"], row["parent"]}
        with _readable():
            used |= {one.digest for one in canonical.from_json(tuple[Descriptor, ...], row["layers"])}
    return used | {row["blob"] for row in db.execute("SELECT blob FROM layer_blobs").fetchall()}


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"a record of the image store is unreadable: {error}"
        raise errors.StoreDamaged(message, hint=HOW_TO_REPAIR) from error


def forget_layers(db: sqlite3.Connection, layers: Iterable[str]) -> None:
    """Forget which archives and build steps gave layers that are about to go."""
    for layer in layers:
        db.execute("DELETE FROM layer_blobs WHERE diff_id = ?", (layer,))
        db.execute("DELETE FROM build_cache WHERE layers LIKE ?", (f"%{layer}%",))
    db.execute(
        "DELETE FROM origins WHERE blob NOT IN (SELECT blob FROM layer_blobs)"
        " AND blob NOT IN (SELECT id FROM images)"
    )


def _sizes(db: sqlite3.Connection, layers: Collection[str]) -> dict[str, int]:
    rows = db.execute("SELECT diff_id, size FROM layers").fetchall()
    return {row["diff_id"]: row["size"] for row in rows if row["diff_id"] in layers}


def _delete(store: Store, layers: list[str], blobs: list[str], freed: int) -> Collected:
    if layers or blobs:
        store.database.sync()
    for layer in layers:
        store.layers.delete(layer)
    freed += sum(store.blobs.delete(blob) for blob in blobs)
    return Collected(layers=tuple(layers), blobs=tuple(blobs), freed=freed)
