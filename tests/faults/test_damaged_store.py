"""F13: every kind of damage is named by ``system check``, and repaired or given up by name."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.host.database import MIGRATIONS, Database
from composer.host.paths import Paths
from composer.image import check, collection, loading, saving
from composer.image.check import Damage, Kind
from composer.image.store import Store
from composer.model.distribution import Pulled
from composer.model.image import Image
from tests import images

pytestmark = pytest.mark.root  # layers keep their owners

BASE = images.tar_of({"etc/passwd": "root", "bin/sh": "x" * 5000})
TOP = images.tar_of({"app": "top"})


@attrs.frozen(kw_only=True)
class Patient:
    """A store with ``pulled:1`` (two layers from elsewhere) and ``built:1`` (its own layer on them)."""

    store: Store
    pulled: Pulled
    image: Image
    built: Image

    def sql(self, statement: str, *values: object) -> None:
        with self.store.database.transaction() as db:
            db.execute(statement, values)

    def layer(self, number: int) -> Path:
        return self.store.layer_paths(self.built)[number]


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.make()
    database = Database(paths.database)
    store = Store(paths, database)
    pulled = images.pulled(store, BASE, TOP)
    image = store.adopt(pulled, ["pulled:1"], images.ignore)
    tree = store.staging("test") / "tree"
    tree.mkdir()
    (tree / "own").write_text("made here")
    own = store.add_layer(tree)
    store.discard(tree.parent)
    built = store.add_image(image.config, [*image.layers, own], tags=["built:1"])
    store.remember("step", (own,))
    yield Patient(store=store, pulled=pulled, image=image, built=built)
    database.close()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def look(patient: Patient, *, repairs: bool = False) -> list[Damage]:
    return check.check(patient.store, repairs=repairs, say=lambda _line: None)


# For each kind of damage: how it is done, what it is called, a word of its repair, what is left.
Case = tuple[Callable[[Patient], object], tuple[Kind, str], str, set[str]]
BOTH = {"built:1", "pulled:1"}

DAMAGE: dict[str, Case] = {
    "a byte of an archive flipped": (
        lambda p: flip(p.store.blobs.path(p.pulled.layers[0].digest)), (Kind.BLOB, "another digest"), "forgotten", BOTH,
    ),
    "an archive truncated": (
        lambda p: p.store.blobs.path(p.pulled.layers[1].digest).write_bytes(b"x"), (Kind.BLOB, "another digest"), "forgotten", BOTH,
    ),
    "an archive removed": (
        lambda p: p.store.blobs.delete(p.pulled.layers[0].digest), (Kind.BLOB, "missing"), "forgotten", BOTH,
    ),
    "the manifest flipped": (
        lambda p: flip(p.store.blobs.path(p.pulled.manifest.digest)), (Kind.BLOB, "another digest"), "forgotten", BOTH,
    ),
    "the configuration flipped": (
        lambda p: flip(p.store.blobs.path(p.image.id)), (Kind.BLOB, "another digest"), "from the image's record", BOTH,
    ),
    "the configuration removed": (
        lambda p: p.store.blobs.delete(p.built.id), (Kind.BLOB, "missing"), "from the image's record", BOTH,
    ),
    "a file of a pulled layer edited": (
        lambda p: flip(p.layer(0) / "etc/passwd"), (Kind.LAYER, "changed"), "unpacked again", BOTH,
    ),
    "a file of a pulled layer removed": (
        lambda p: (p.layer(0) / "bin/sh").unlink(), (Kind.LAYER, "changed"), "unpacked again", BOTH,
    ),
    "a mode of a pulled layer changed": (
        lambda p: (p.layer(0) / "bin/sh").chmod(0o777), (Kind.LAYER, "changed"), "unpacked again", BOTH,
    ),
    "a file added to a pulled layer": (
        lambda p: (p.layer(1) / "new").write_text("x"), (Kind.LAYER, "changed"), "unpacked again", BOTH,
    ),
    "a pulled layer removed": (
        lambda p: shutil.rmtree(p.layer(0)), (Kind.LAYER, "missing"), "unpacked again", BOTH,
    ),
    "a built layer edited": (
        lambda p: flip(p.layer(2) / "own"), (Kind.LAYER, "changed"), "image built:1 given up", {"pulled:1"},
    ),
    "a built layer removed": (
        lambda p: shutil.rmtree(p.layer(2)), (Kind.LAYER, "missing"), "image built:1 given up", {"pulled:1"},
    ),
    "a record truncated": (
        lambda p: p.sql("UPDATE images SET config = substr(config, 1, 40) WHERE id = ?", p.image.id),
        (Kind.IMAGE, "not the configuration"), "restored from its blob", BOTH,
    ),
    "a list of layers truncated": (
        lambda p: p.sql("UPDATE images SET layers = substr(layers, 1, 40) WHERE id = ?", p.image.id),
        (Kind.IMAGE, "unreadable"), "restored from its blob", BOTH,
    ),
    "a list of layers of another image": (
        lambda p: p.sql("UPDATE images SET layers = '[]' WHERE id = ?", p.built.id),
        (Kind.IMAGE, "other layers"), "restored from its blob", BOTH,
    ),
    "the record of a manifest truncated": (
        lambda p: p.sql("UPDATE manifests SET layers = substr(layers, 1, 40)"), (Kind.DATABASE, "unreadable"), "forgotten", BOTH,
    ),
    "the record of a build step truncated": (
        lambda p: p.sql("UPDATE build_cache SET layers = '['"), (Kind.DATABASE, "unreadable"), "forgotten", BOTH,
    ),
}  # fmt: skip


def names(store: Store) -> set[str]:
    return {tag.removeprefix("docker.io/library/") for image in store.list() for tag in image.tags}


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_damage_is_named_and_repaired(name: str, patient: Patient) -> None:
    do, (kind, problem), repair, left = DAMAGE[name]
    assert look(patient) == []
    do(patient)
    (found,) = look(patient)
    assert found.kind is kind
    assert problem in found.text
    assert found.repair == ""
    assert kind is Kind.DATABASE or found.images
    (repaired,) = look(patient, repairs=True)
    assert repair in repaired.repair
    assert look(patient) == []
    assert names(patient.store) == left
    for image in patient.store.list():
        patient.store.layer_paths(image)
    assert collection.collect(patient.store).is_deferred is False


def test_record_and_blob_damaged_alike_give_the_image_up(patient: Patient, tmp_path: Path) -> None:
    patient.sql("UPDATE images SET config = 'x' WHERE id = ?", patient.built.id)
    flip(patient.store.blobs.path(patient.built.id))
    again = Store(Paths(tmp_path / "data", tmp_path / "run"), patient.store.database)
    with pytest.raises(errors.StoreDamaged, match="is damaged") as caught:
        again.list()
    assert "system check" in caught.value.hint
    repairs = [one.repair for one in look(patient, repairs=True)]
    assert any("image built:1 given up" in repair for repair in repairs)
    assert look(patient) == []
    assert names(patient.store) == {"pulled:1"}


def test_an_image_that_a_container_needs_is_not_given_up(patient: Patient) -> None:
    patient.sql(
        "INSERT INTO containers (id, stack, service, number, one_off, generation, name, spec, wish,"
        " phase, created_at) VALUES ('c', 's', 'w', 1, 0, 1, 's-w-1', ?, 'running', 'ready', 0)",
        json.dumps({"image_id": patient.built.id}),
    )
    shutil.rmtree(patient.layer(2))
    (found,) = look(patient, repairs=True)
    assert found.repair == ""
    assert names(patient.store) == BOTH


def test_a_damaged_layer_comes_back_with_the_next_load(patient: Patient) -> None:
    stream = io.BytesIO()
    saving.save(patient.store, saving.choose(patient.store, ["built:1"]), stream.write)
    shutil.rmtree(patient.layer(2))
    stream.seek(0)
    loading.load(patient.store, stream, images.ignore)
    assert look(patient) == []
    assert (patient.layer(2) / "own").read_text() == "made here"


def test_a_record_from_the_future_is_refused_and_left_alone(patient: Patient, tmp_path: Path) -> None:
    patient.store.database.close()
    path = tmp_path / "data/state.db"
    with sqlite3.connect(path) as future:
        future.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    future.close()
    before = path.read_bytes()
    with pytest.raises(errors.StoreDamaged, match="newer composer") as caught:
        Database(path)
    assert caught.value.hint
    assert path.read_bytes() == before


def test_a_database_that_is_none_is_named(patient: Patient, tmp_path: Path) -> None:
    patient.store.database.close()
    path = tmp_path / "data/state.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(f"state.db{suffix}").unlink(missing_ok=True)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(errors.StoreDamaged, match=r"cannot open .*state\.db"):
        Database(path)
