"""The image store: names to images, images to layers (``protocols.ImageStore``).

::

    <data>/blobs/...     see ``image.blobs``: configurations (their digest is the image's id),
                         manifests, and the archives of layers that came from or went elsewhere
    <data>/layers/...    see ``image.layers``: every layer unpacked
    <data>/state.db      tables images, tags, layers, build_cache; for what came from or went
                         elsewhere manifests, digests (how registries know images), layer_blobs
                         (which archive is which layer), origins (which repository has which blob)
    <data>/builds/...            see ``dockerfile.cachemounts``

Order of making: layers (published), configuration (durable), then one transaction that records
image and tags.  A crash before the transaction leaves unreferenced content, never a broken image.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from composer import errors
from composer.image import adoption, collection, pack, shipment
from composer.image import config as image_config
from composer.image.blobs import ContentStore
from composer.image.layers import Layers
from composer.model import platforms, reference
from composer.model.image import HistoryEntry, Image, ImageConfig

if TYPE_CHECKING:
    import sqlite3

    from composer.host.database import Database
    from composer.host.paths import Paths
    from composer.model.distribution import Descriptor, Platform, Pulled, PushRequest, Report

_ID_LENGTH = len("sha256:") + 64


class Store:
    """The images of one data directory; shared by every process that uses it."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self.blobs = ContentStore(paths.data)
        self.layers = Layers(paths.data)
        self.database = database
        self.build_state = paths.data / "builds"
        self._cache: dict[str, Image] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------ find

    def find(self, name: str) -> Image | None:
        """The image that a reference, an id or an unambiguous id prefix names."""
        if len(name) == _ID_LENGTH and name.startswith("sha256:"):
            return self._by_id(name)
        named = self._named(name)
        if named is not None:
            return named
        if reference.looks_like_id(name):
            prefix = name if name.startswith("sha256:") else f"sha256:{name}"
            rows = self.database.rows("SELECT id FROM images WHERE id LIKE ? LIMIT 2", (f"{prefix}%",))
            if len(rows) == 1:
                return self._by_id(rows[0]["id"])
        return None

    def _named(self, name: str) -> Image | None:
        try:
            parsed = reference.parse(name)
        except errors.UsageError:
            return None
        if parsed.digest:  # a tag beside a digest is a remark for readers
            full = f"{parsed.domain}/{parsed.path}@{parsed.digest}"
            row = self.database.row("SELECT image FROM digests WHERE reference = ?", (full,))
        else:
            row = self.database.row("SELECT image FROM tags WHERE reference = ?", (str(parsed),))
        return self._by_id(row["image"]) if row is not None else None

    def named_at(self, name: str) -> float:
        """When the reference was last pulled, built or tagged, in Unix seconds; 0 when never."""
        row = self.database.row("SELECT moment FROM tags WHERE reference = ?", (str(reference.parse(name)),))
        return float(row["moment"]) if row is not None else 0.0

    def get(self, name: str) -> Image:
        """As ``find``; raises ``ImageNotFound``."""
        found = self.find(name)
        if found is None:
            message = f"image {name} is not in the store"
            hint = (
                f"Get it with `composer pull` or `composer image pull {name}`, make it with "
                f"`composer image bootstrap {name}` (from Debian's packages, or --busybox), "
                f"or bring it in with `composer image import FILE {name}`."
            )
            raise errors.ImageNotFound(message, hint=hint)
        return found

    def list(self) -> Sequence[Image]:
        """Every image, newest first."""
        rows = self.database.rows("SELECT id FROM images ORDER BY recorded DESC, id")
        return [image for row in rows if (image := self._by_id(row["id"])) is not None]

    def _by_id(self, image_id: str) -> Image | None:
        row = self.database.row("SELECT * FROM images WHERE id = ?", (image_id,))
        if row is None:
            return None
        tags = tuple(
            tag["reference"]
            for tag in self.database.rows(
                "SELECT reference FROM tags WHERE image = ? ORDER BY reference", (image_id,)
            )
        )
        digests = tuple(
            digest["reference"]
            for digest in self.database.rows(
                "SELECT reference FROM digests WHERE image = ? AND is_shown ORDER BY reference", (image_id,)
            )
        )
        with self._lock:
            cached = self._cache.get(image_id)
            if cached is None or (cached.tags, cached.digests) != (tags, digests):
                cached = self._cache[image_id] = _image_of(row, tags, digests)
        return cached

    def configuration_bytes(self, image: Image) -> bytes:
        """The configuration exactly as it was made or came; its SHA-256 is the image's id."""
        row = self.database.row("SELECT config FROM images WHERE id = ?", (image.id,))
        content: str = row["config"] if row is not None else ""
        return content.encode()

    # ------------------------------------------------------------------ layers

    def layer_paths(self, image: Image) -> tuple[Path, ...]:
        """The unpacked layers, lowest first."""
        return self.paths_of_layers(image.layers)

    def paths_of_layers(self, layers: Sequence[str]) -> tuple[Path, ...]:
        """The directories of diffIDs; raises ``StoreDamaged`` when one is missing."""
        paths = tuple(self.layers.path(layer) for layer in layers)
        for path in paths:
            if not path.is_dir():
                message = f"layer {path.name[:12]} is missing from the store"
                raise errors.StoreDamaged(message, hint=collection.HOW_TO_REPAIR)
        return paths

    def staging(self, name: str) -> Path:
        """A fresh directory for work in progress."""
        self.layers.sweep()
        return self.layers.stage(name)

    def add_layer(self, upper: Path) -> str:
        """Publish an overlay upper directory as a layer; returns its diffID."""
        try:
            packed = pack.measure(upper)
        except OSError as error:
            message = f"cannot read {upper}: {error}"
            raise errors.ImageError(message) from error
        self.publish_layer(
            upper, packed.diff_id, size=packed.size, archive=packed.archive, tree=packed.diff_id
        )
        return packed.diff_id

    def publish_layer(self, staged: Path, diff_id: str, *, size: int, archive: int, tree: str = "") -> None:
        """Make a staged tree, known to be the layer ``diff_id``, one of the store's; see ``record_layer``."""
        self.layers.publish(staged, diff_id)
        self.record_layer(diff_id, size=size, archive=archive, tree=tree)

    def record_layer(self, diff_id: str, *, size: int, archive: int, tree: str = "") -> None:
        """Remember of a published layer the bytes of its files and of its plain archive.

        ``tree`` is what our packer makes of it, "" when nobody looked: the diffID for a layer made here.
        """
        with self.database.transaction() as db:
            db.execute(
                "INSERT INTO layers (diff_id, size, recorded, archive, tree) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (diff_id) DO UPDATE SET size = excluded.size, archive = excluded.archive,"
                " tree = CASE excluded.tree WHEN '' THEN tree ELSE excluded.tree END",
                (diff_id, size, time.time(), archive, tree),
            )

    def has_layer_record(self, diff_id: str) -> bool:
        """Whether the sizes are known; a process killed between publishing and recording leaves that open."""
        return self.database.row("SELECT 1 FROM layers WHERE diff_id = ?", (diff_id,)) is not None

    def lease(self) -> contextlib.AbstractContextManager[None]:
        """Nothing in the store is deleted until the block ends: for pulls, builds and loads."""
        return self.layers.lease()

    # ------------------------------------------------------------------ images

    def add_image(
        self,
        config: ImageConfig,
        layers: Sequence[str],
        *,
        history: Sequence[HistoryEntry] = (),
        tags: Sequence[str] = (),
        created: str = "",
        author: str = "",
        platform: Platform | None = None,
    ) -> Image:
        """Record and tag an image; ``platform`` is the host's unless given."""
        moment = created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = image_config.to_json(
            config,
            layers=tuple(layers),
            history=tuple(history),
            created=moment,
            author=author,
            platform=platform or platforms.this_host(),
        )
        image_id = self.blobs.put(content)
        complete = [str(reference.parse(tag)) for tag in tags]
        with self.database.transaction() as db:
            self.record(db, image_id, content, image_config.from_json(content))
            for tag in complete:
                self.record_tag(db, tag, image_id)
        image = self._by_id(image_id)
        assert image is not None
        return image

    def record(
        self,
        db: sqlite3.Connection,
        image_id: str,
        content: bytes,
        configuration: image_config.Configuration,
    ) -> None:
        """Write an image's record; its layers are published and its configuration is a blob."""
        db.execute(
            "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET recorded = excluded.recorded",
            (
                image_id,
                content.decode(),
                json.dumps(list(configuration.layers)),
                self._size_of(configuration.layers),
                configuration.created,
                time.time(),
            ),
        )

    def record_tag(self, db: sqlite3.Connection, full: str, image_id: str) -> None:
        """Let a complete reference name an image."""
        db.execute(
            "INSERT INTO tags VALUES (?, ?, ?) ON CONFLICT (reference) DO UPDATE SET"
            " image = excluded.image, moment = excluded.moment",
            (full, image_id, time.time()),
        )

    # ------------------------------------------------------------------ to and from elsewhere

    def unpack_ahead(self, config: Descriptor, position: int, layer: Descriptor, report: Report) -> None:
        """Make one layer of an image that is still on its way, so that ``adopt`` finds it made.

        ``config`` is here, and ``layer`` is the archive at that position.  Raises what ``adopt`` raises.
        """
        with self.lease():
            adoption.unpack_ahead(self, config, position, layer, report)

    def adopt(
        self, pulled: Pulled, tags: Sequence[str], report: Report, *, from_registry: bool = True
    ) -> Image:
        """Make an image of blobs that a pull or a load brought; unpacks its layers and tags it.

        Tags with a digest record that digest only.  ``from_registry`` says that the tags' repositories
        have the image, which ``Image.digests`` and later pushes tell.  Raises ``ImageError`` for what
        is no image, ``HostileLayer``, ``DigestMismatch`` when a layer is not what the configuration
        promises; then nothing is recorded.
        """
        with self.lease():
            return adoption.adopt(self, pulled, tags, report, from_registry=from_registry)

    def push_request(self, image: Image, repository: str) -> PushRequest:
        """What a push of the image to a repository sends; packs layers that have no archive yet."""
        with self.lease():
            return shipment.push_request(self, image, repository)

    def record_push(self, request: PushRequest, tags: Sequence[str]) -> None:
        """The registry took it under these references: remember digest and origin."""
        shipment.record_push(self, request, tuple(tags))

    def tag(self, name: str, image_id: str) -> None:
        """Let a reference name an image; raises ``ImageNotFound`` when it was removed."""
        with self.database.transaction() as db:
            self.get(image_id)
            self.record_tag(db, str(reference.parse(name)), image_id)

    def remove(self, name: str, *, force: bool = False) -> Sequence[str]:
        """Untag; delete when nothing names or uses the image any more.  Returns lines as Docker prints.

        Raises ``ConflictError`` when a container uses an image that would lose its last name, or when
        an id was given and several names would go, unless ``force``; an image in use is never deleted.
        """
        image = self.get(name)
        with self.database.transaction() as db:
            named = _references_named(name, image)
            user = _user_of(db, image.id)
            is_last = len(named) == len(image.tags) + len(image.digests)
            if is_last and user is not None and not force:
                message = f"container {user} uses image {name}"
                raise errors.ConflictError(message, hint="Remove the container, or use --force.")
            if not force and len([one for one in named if "@" not in one]) > 1:
                message = f"image {name} has several names: {', '.join(map(_familiar, named))}"
                raise errors.ConflictError(message, hint="Remove them by name, or use --force.")
            for full in named:
                db.execute("DELETE FROM tags WHERE reference = ?", (full,))
                db.execute("DELETE FROM digests WHERE reference = ?", (full,))
            said = [f"Untagged: {_familiar(full)}" for full in named]
            if is_last and user is None:
                # Digests that are not shown go with the image (ON DELETE CASCADE).
                db.execute("DELETE FROM images WHERE id = ?", (image.id,))
                said.append(f"Deleted: {image.id}")
        if said and said[-1].startswith("Deleted"):
            said += [f"Deleted: {layer}" for layer in collection.collect_after(self, image).layers]
        return said

    def users(self, image: Image) -> Sequence[str]:
        """The names of containers that are made from the image."""
        return self.containers_of(image.id)

    def containers_of(self, image_id: str) -> Sequence[str]:
        """As ``users``, for an id."""
        with self.database.transaction() as db:
            return _users_of(db, image_id)

    def disk_usage(self) -> int:
        """The bytes of all layers' files and of all blobs."""
        return sum(self.every_layer_size().values()) + self.archives_size()

    def every_layer_size(self) -> dict[str, int]:
        """The bytes of the files of each layer, by diffID."""
        return {row["diff_id"]: row["size"] for row in self.database.rows("SELECT diff_id, size FROM layers")}

    def archives_size(self) -> int:
        """The bytes of all blobs."""
        return sum(self.blobs.size(blob) for blob in self.blobs.digests())

    def cached_layers(self) -> Sequence[str]:
        """The diffIDs that the build cache has."""
        rows = self.database.rows("SELECT layers FROM build_cache")
        return sorted({layer for row in rows for layer in json.loads(row["layers"])})

    def layer_sizes(self, image: Image) -> tuple[int, ...]:
        """The bytes of each layer's files, lowest first."""
        return tuple(self._size_of([layer]) for layer in image.layers)

    # ------------------------------------------------------------------ build cache

    def cached(self, key: str) -> tuple[str, ...] | None:
        """What a build step with this key gave, if its layer is still there."""
        row = self.database.row("SELECT layers FROM build_cache WHERE key = ?", (key,))
        if row is None:
            return None
        layers = tuple(json.loads(row["layers"]))
        return layers if all(self.layers.path(layer).is_dir() for layer in layers) else None

    def remember(self, key: str, layers: tuple[str, ...]) -> None:
        """Record what a build step gave."""
        with self.database.transaction() as db:
            db.execute(
                "INSERT INTO build_cache VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " layers = excluded.layers, used = excluded.used",
                (key, json.dumps(list(layers)), time.time()),
            )

    def discard(self, staged: Path) -> None:
        """Delete a staging directory that led to nothing."""
        shutil.rmtree(staged, ignore_errors=True)

    def _size_of(self, layers: Sequence[str]) -> int:
        total = 0
        for layer in layers:
            row = self.database.row("SELECT size FROM layers WHERE diff_id = ?", (layer,))
            total += row["size"] if row else 0
        return total


def _references_named(name: str, image: Image) -> tuple[str, ...]:
    """What ``rm NAME`` takes away: that tag or digest, or everything when an id was given.

    With the last tag of a repository go the digests that this repository knows the image by.
    """
    try:
        parsed = reference.parse(name)
    except errors.UsageError:
        return (*image.tags, *image.digests)
    repository = f"{parsed.domain}/{parsed.path}"
    if parsed.digest:
        return (f"{repository}@{parsed.digest}",)
    if str(parsed) not in image.tags:
        return (*image.tags, *image.digests)
    if any(tag != str(parsed) and tag.startswith(f"{repository}:") for tag in image.tags):
        return (str(parsed),)
    return (str(parsed), *(one for one in image.digests if one.startswith(f"{repository}@")))


def _familiar(full: str) -> str:
    return reference.parse(full).familiar


def _users_of(db: sqlite3.Connection, image_id: str) -> list[str]:
    rows = db.execute("SELECT name FROM containers WHERE spec LIKE ?", (f"%{image_id}%",)).fetchall()
    return [str(row["name"]) for row in rows]


def _user_of(db: sqlite3.Connection, image_id: str) -> str | None:
    return next(iter(_users_of(db, image_id)), None)


def _image_of(row: sqlite3.Row, tags: tuple[str, ...], digests: tuple[str, ...]) -> Image:
    try:
        content = image_config.from_json(row["config"].encode())
    except errors.ImageError as error:
        message = f"the record of image {row['id']} is damaged: {error.message}"
        raise errors.StoreDamaged(message, hint=collection.HOW_TO_REPAIR) from error
    return Image(
        id=row["id"],
        config=content.config,
        layers=content.layers,
        tags=tags,
        digests=digests,
        history=content.history,
        created=content.created,
        os=content.os,
        architecture=content.architecture,
        variant=content.variant,
        size=row["size"],
    )
