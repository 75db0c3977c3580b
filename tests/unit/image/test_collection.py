"""Garbage: what nothing needs goes, what anything needs stays, and nothing goes while a lease is held."""

from __future__ import annotations

import pytest

from composer import errors
from composer.image import collection
from composer.image.store import Store
from composer.model.image import ImageConfig
from tests import images

pytestmark = pytest.mark.root  # layers keep their owners

BASE = images.tar_of({"etc": "base"})
TOP = images.tar_of({"app": "top"})


def layer_of(store: Store, content: str) -> str:
    tree = store.staging("test") / "tree"
    tree.mkdir()
    (tree / "file").write_text(content)
    layer = store.add_layer(tree)
    store.discard(tree.parent)
    return layer


def test_what_is_needed_stays(store: Store) -> None:
    pulled = images.pulled(store, BASE, TOP)
    image = store.adopt(pulled, ["app"], images.ignore)
    cached = layer_of(store, "cached")
    store.remember("key", (cached,))
    assert collection.collect(store) == collection.Collected()
    assert store.push_request(image, "app").layers == pulled.layers
    assert store.cached("key") == (cached,)


def test_what_nothing_needs_goes(store: Store) -> None:
    store.adopt(images.pulled(store, BASE), ["base"], images.ignore)
    half = images.pulled(store, TOP)  # pulled, and killed before it was adopted
    orphan = layer_of(store, "orphan")
    collected = collection.collect(store)
    assert collected.layers == (orphan,)
    assert set(collected.blobs) == {half.manifest.digest, half.config.digest, half.layers[0].digest}
    assert collected.freed > len("orphan")
    assert not store.layers.is_ready(orphan)


def test_the_cache_goes_when_asked(store: Store) -> None:
    shared, own = layer_of(store, "shared"), layer_of(store, "own")
    store.add_image(ImageConfig(), [shared], tags=["x"])
    store.remember("one", (shared,))
    store.remember("two", (own,))
    assert collection.collect(store, keeps_cache=False).layers == (own,)
    assert store.cached("one") is None


def test_a_lease_keeps_everything(store: Store) -> None:
    half = images.pulled(store, TOP)
    with store.lease(), store.lease():
        assert collection.collect(store) == collection.Collected(is_deferred=True)
        assert store.blobs.has(half.config.digest)
    assert collection.collect(store).blobs


def test_layers_and_archives_that_images_share_stay_with_the_last(store: Store) -> None:
    one = store.adopt(images.pulled(store, BASE), ["one"], images.ignore)
    two = store.adopt(images.pulled(store, BASE, TOP), ["two"], images.ignore)
    store.remove("two")
    assert store.layers.diff_ids() == sorted(one.layers)
    assert store.push_request(one, "one").layers
    assert not store.layers.is_ready(two.layers[1])
    store.remove("one")
    assert store.layers.diff_ids() == []
    assert store.blobs.digests() == []
    assert store.database.rows("SELECT * FROM layer_blobs") == []
    assert store.database.rows("SELECT * FROM origins") == []


def test_who_cannot_read_what_is_needed_deletes_nothing(store: Store) -> None:
    store.adopt(images.pulled(store, BASE), ["base"], images.ignore)
    orphan = layer_of(store, "orphan")
    with store.database.transaction() as db:
        db.execute("UPDATE images SET layers = '['")
    with pytest.raises(errors.StoreDamaged, match="unreadable") as caught:
        collection.collect(store)
    assert "system check" in caught.value.hint
    assert store.layers.is_ready(orphan)
