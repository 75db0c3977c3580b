"""Finds what is damaged in the store, names it, and repairs what can be repaired.

Looked at, in this order, because the later is repaired from the earlier: the database itself, the
records of images, every blob (hashed), every layer (packed again, which gives the digest of its
tree).  A layer that was made here packs to its own diffID.  One that came from elsewhere does not:
its archive is unpacked beside it once and both trees are compared; the digest of the good tree is
then remembered, so that the next check needs no archive.

Repairs never invent content: a configuration is restored from its blob or its record, a layer from
its archive.  What has no second copy is given up by name: the image goes (unless a container needs
it), the archive is forgotten.
"""

from __future__ import annotations

import enum
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.host import durable
from composer.image import collection, pack, shipment, unpack
from composer.image import config as configs
from composer.model import canonical, reference
from composer.model.distribution import Descriptor

if TYPE_CHECKING:
    import sqlite3

    from composer.image.store import Store

_CHUNK = 1 << 20


class Kind(enum.Enum):
    """What is damaged."""

    DATABASE = "database"
    IMAGE = "image"
    BLOB = "blob"
    LAYER = "layer"


@attrs.frozen(kw_only=True)
class Damage:
    """One thing that is not what was written, who needs it, and what was done about it ("" is nothing)."""

    kind: Kind
    subject: str
    problem: str
    images: tuple[str, ...] = ()
    repair: str = ""

    @property
    def text(self) -> str:
        """As one line for people."""
        users = f" (needed by {', '.join(self.images)})" if self.images else ""
        return f"{self.kind.value} {self.subject}: {self.problem}{users}"


def check(store: Store, *, repairs: bool, say: Callable[[str], None]) -> list[Damage]:
    """Everything that is damaged; with ``repairs`` each is put right where that is possible."""
    with store.lease():
        one = _Check(store, repairs=repairs, say=say)
        return [
            *one.database(),
            *one.images(),
            *one.lists(),
            *one.blobs(),
            *one.layers(),
        ]


class _Check:
    """One look at a store."""

    def __init__(self, store: Store, *, repairs: bool, say: Callable[[str], None]) -> None:
        self._store = store
        self._repairs = repairs
        self._say = say
        self._bad_blobs: set[str] = set()

    # ------------------------------------------------------------------ records

    def database(self) -> Iterator[Damage]:
        """What SQLite finds wrong with its file."""
        self._say("checking the records")
        for pragma in ("integrity_check", "foreign_key_check"):
            for row in self._store.database.rows(f"PRAGMA {pragma}"):
                if row[0] != "ok":
                    problem = " ".join(str(value) for value in row)
                    yield Damage(kind=Kind.DATABASE, subject="state.db", problem=problem)

    def images(self) -> Iterator[Damage]:
        """Records whose configuration is not what their id says."""
        for row in self._store.database.rows("SELECT id, config, layers FROM images ORDER BY id"):
            problem = _problem_of_record(row["id"], row["config"], row["layers"])
            if problem:
                names = self._names(row["id"])
                repair = self._restore_record(row["id"]) if self._repairs else ""
                yield Damage(kind=Kind.IMAGE, subject=row["id"], problem=problem, images=names, repair=repair)

    def lists(self) -> Iterator[Damage]:
        """Records of manifests and build steps that cannot be read; both can be done without."""
        for table, key in (("manifests", "digest"), ("build_cache", "key")):
            for row in self._store.database.rows(f"SELECT {key}, layers FROM {table} ORDER BY {key}"):
                if _is_list(table, row["layers"]):
                    continue
                if self._repairs:
                    with self._store.database.transaction() as db:
                        db.execute(f"DELETE FROM {table} WHERE {key} = ?", (row[key],))
                yield Damage(
                    kind=Kind.DATABASE,
                    subject=f"{table} {row[key]}",
                    problem="the record is unreadable",
                    repair="forgotten" if self._repairs else "",
                )

    def _restore_record(self, image_id: str) -> str:
        """Write the record anew from the configuration's blob; give the image up when that is bad too."""
        try:
            content = self._store.blobs.read(image_id, limit=configs.LARGEST)
            configuration = configs.from_json(content)
        except errors.ComposerError:
            content = b""
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != image_id:
            return self._give_up_image(image_id)
        with self._store.database.transaction() as db:
            db.execute(
                "UPDATE images SET config = ?, layers = ?, created = ? WHERE id = ?",
                (
                    content.decode(),
                    json.dumps(list(configuration.layers)),
                    configuration.created,
                    image_id,
                ),
            )
        return "restored from its blob"

    def _give_up_image(self, image_id: str) -> str:
        names = self._names(image_id)
        users = self._store.containers_of(image_id)
        if users:
            return ""
        with self._store.database.transaction() as db:
            db.execute("DELETE FROM tags WHERE image = ?", (image_id,))
            db.execute("DELETE FROM images WHERE id = ?", (image_id,))
        return f"image {', '.join(names)} given up: pull, load or build it again"

    # ------------------------------------------------------------------ blobs

    def blobs(self) -> Iterator[Damage]:
        """Blobs whose content has another digest, and blobs that records name and that are not there."""
        present = self._store.blobs.digests()
        self._say(f"checking {len(present)} blobs")
        for digest in present:
            if _digest_of_file(self._store.blobs.path(digest)) != digest:
                self._bad_blobs.add(digest)
                yield self._damaged_blob(digest, "its content has another digest")
        parents = {row["parent"] for row in self._store.database.rows("SELECT parent FROM manifests")}
        used = self._in_use(collection.blobs_in_use) - parents - {""}
        for digest in sorted(used - set(present) - self._bad_blobs):
            yield self._damaged_blob(digest, "it is missing")

    def _damaged_blob(self, digest: str, problem: str) -> Damage:
        names = self._names_by_blob(digest)
        repair = self._repair_blob(digest) if self._repairs else ""
        return Damage(kind=Kind.BLOB, subject=digest, problem=problem, images=names, repair=repair)

    def _repair_blob(self, digest: str) -> str:
        """Restore a configuration from its record; forget an archive or manifest that has no second copy."""
        self._store.blobs.delete(digest)
        row = self._store.database.row("SELECT config FROM images WHERE id = ?", (digest,))
        if row is not None:
            if self._store.blobs.put(row["config"].encode()) == digest:
                return "restored from the image's record"
            return self._give_up_image(digest)
        with self._store.database.transaction() as db:
            db.execute("DELETE FROM layer_blobs WHERE blob = ?", (digest,))
            for manifest in db.execute("SELECT digest, layers FROM manifests").fetchall():
                layers = canonical.from_json(tuple[Descriptor, ...], manifest["layers"])
                if digest in {manifest["digest"], *(layer.digest for layer in layers)}:
                    db.execute("DELETE FROM manifests WHERE digest = ?", (manifest["digest"],))
        return "forgotten: the image works, but no longer has the archive or manifest it came with"

    # ------------------------------------------------------------------ layers

    def layers(self) -> Iterator[Damage]:
        """Layers that are missing, and layers whose tree is not the one that was unpacked."""
        needed = self._in_use(lambda db: collection.layers_in_use(db, cache=True))
        every = sorted(needed | set(self._store.layers.diff_ids()))
        self._say(f"checking {len(every)} layers")
        for layer in every:
            if not self._store.layers.is_ready(layer):
                yield self._damaged_layer(layer, "it is missing")
            elif not self._is_whole(layer):
                yield self._damaged_layer(layer, "its files were changed")

    def _is_whole(self, layer: str) -> bool:
        """Whether the tree is what the archive gives; true where nothing is left to compare with."""
        (tree,) = self._store.paths_of_layers([layer])
        try:
            found = pack.measure(tree)
        except OSError:
            return False
        if found.diff_id == layer:
            return True
        row = self._store.database.row("SELECT tree FROM layers WHERE diff_id = ?", (layer,))
        if row is not None and row["tree"]:
            return str(row["tree"]) == found.diff_id
        archive = self._archive(layer)
        if archive is None:
            return True
        staged = self._store.staging("check")
        try:
            fresh = self._unpacked(archive, staged / "tree")
            if fresh is None or fresh.diff_id != layer:
                return True
            wanted = pack.measure(staged / "tree").diff_id
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        with self._store.database.transaction() as db:
            db.execute("UPDATE layers SET tree = ? WHERE diff_id = ?", (wanted, layer))
        return wanted == found.diff_id

    def _damaged_layer(self, layer: str, problem: str) -> Damage:
        names = self._names_by_layer(layer)
        repair = self._repair_layer(layer) if self._repairs else ""
        return Damage(kind=Kind.LAYER, subject=layer, problem=problem, images=names, repair=repair)

    def _repair_layer(self, layer: str) -> str:
        archive = self._archive(layer)
        staged = self._store.staging("repair")
        try:
            fresh = None if archive is None else self._unpacked(archive, staged / "tree")
            if fresh is not None and fresh.diff_id == layer:
                self._store.layers.replace(staged / "tree", layer)
                self._store.record_layer(layer, size=fresh.size, archive=fresh.archive)
                return "unpacked again from its archive"
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        owners = self._images_by_layer(layer)
        given_up = [self._give_up_image(image) for image in owners]
        if not all(given_up):
            return ""
        with self._store.database.transaction() as db:
            collection.forget_layers(db, [layer])
            db.execute("DELETE FROM layers WHERE diff_id = ?", (layer,))
        self._store.layers.delete(layer)
        return "; ".join(given_up) or "removed, with the build steps that gave it"

    def _archive(self, layer: str) -> Descriptor | None:
        known = shipment.archives_of(self._store, layer)
        return next((one for one in known if one.digest not in self._bad_blobs), None)

    def _unpacked(self, archive: Descriptor, tree: Path) -> unpack.Unpacked | None:
        durable.make_directory(tree, 0o755)
        try:
            with self._store.blobs.open(archive.digest) as file:
                return unpack.unpack(file, tree)
        except errors.ComposerError:
            return None

    # ------------------------------------------------------------------ who needs it

    def _in_use(self, read: Callable[[sqlite3.Connection], set[str]]) -> set[str]:
        """What records name; nothing when one is unreadable, which was told already."""
        try:
            with self._store.database.transaction() as db:
                return read(db)
        except errors.StoreDamaged:
            return set()

    def _names(self, image_id: str) -> tuple[str, ...]:
        rows = self._store.database.rows("SELECT reference FROM tags WHERE image = ?", (image_id,))
        names = sorted(reference.parse(row["reference"]).familiar for row in rows)
        return tuple(names) or (image_id.removeprefix("sha256:")[:12],)

    def _images_by_layer(self, layer: str) -> list[str]:
        rows = self._store.database.rows("SELECT id FROM images WHERE instr(layers, ?) ORDER BY id", (layer,))
        return [row["id"] for row in rows]

    def _names_by_layer(self, layer: str) -> tuple[str, ...]:
        return tuple(name for image in self._images_by_layer(layer) for name in self._names(image))

    def _names_by_blob(self, digest: str) -> tuple[str, ...]:
        rows = self._store.database.rows(
            "SELECT id FROM images WHERE id = ?1 UNION SELECT image FROM manifests"
            " WHERE digest = ?1 OR instr(layers, ?1) ORDER BY 1",
            (digest,),
        )
        found = [name for row in rows for name in self._names(row[0])]
        for row in self._store.database.rows("SELECT diff_id FROM layer_blobs WHERE blob = ?", (digest,)):
            found += self._names_by_layer(row["diff_id"])
        return tuple(dict.fromkeys(found))


def _problem_of_record(image_id: str, config: str, layers: str) -> str:
    content = config.encode()
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != image_id:
        return "its record is not the configuration that its id names"
    try:
        if tuple(json.loads(layers)) != configs.from_json(content).layers:
            return "its record lists other layers than its configuration"
    except (ValueError, TypeError, errors.ImageError):
        return "its record is unreadable"
    return ""


def _is_list(table: str, text: str) -> bool:
    try:
        if table == "manifests":
            return bool(canonical.from_json(tuple[Descriptor, ...], text) or text == "[]")
        return isinstance(json.loads(text), list)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def _digest_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(_CHUNK):
                digest.update(data)
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return f"sha256:{digest.hexdigest()}"
