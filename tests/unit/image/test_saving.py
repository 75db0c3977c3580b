"""Archives of images: what is saved is loaded again, byte for byte, in both formats."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.host.database import Database
from composer.host.paths import Paths
from composer.image import loading, saving
from composer.image.store import Store
from composer.model.image import Image
from tests import images

pytestmark = pytest.mark.root  # layers keep their owners

BASE = images.tar_of({"etc": "base"})
TOP = images.tar_of({"app": "top"})


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    paths = Paths(tmp_path / "other", tmp_path / "run")
    paths.make()
    database = Database(paths.database)
    yield Store(paths, database)
    database.close()


def saved(store: Store, *names: str, form: str = saving.DOCKER) -> bytes:
    stream = io.BytesIO()
    saving.save(store, saving.choose(store, names), stream.write, form)
    return stream.getvalue()


def load(store: Store, archive: bytes) -> list[tuple[str, tuple[str, ...]]]:
    loaded = loading.load(store, io.BytesIO(archive), images.ignore)
    return [(one.image.id, one.tags) for one in loaded]


def entries(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: file.read() for one in tar if (file := tar.extractfile(one)) is not None}


def two_images(store: Store) -> tuple[Image, Image]:
    base = store.adopt(images.pulled(store, BASE), ["base:1"], images.ignore)
    app = store.adopt(images.pulled(store, BASE, TOP), ["app:1", "app:2", "other:1"], images.ignore)
    return base, app


@pytest.mark.parametrize("form", saving.FORMATS)
def test_what_is_saved_is_loaded_and_saved_again(form: str, store: Store, other: Store) -> None:
    base, app = two_images(store)
    archive = saved(store, "base:1", "app:1", "app:2", form=form)
    assert load(other, archive) == [
        (base.id, ("docker.io/library/base:1",)),
        (app.id, ("docker.io/library/app:1", "docker.io/library/app:2")),
    ]
    for image in (base, app):
        again = other.get(image.id)
        assert other.configuration_bytes(again) == store.configuration_bytes(image)
        assert [path.name for path in other.layer_paths(again)] == [
            layer.removeprefix("sha256:") for layer in image.layers
        ]
        assert again.digests == ()
    assert saved(other, "base:1", "app:1", "app:2", form=form) == archive


def test_an_oci_archive_has_the_manifest_that_came(store: Store) -> None:
    pulled = images.pulled(store, BASE)
    store.adopt(pulled, ["base"], images.ignore)
    content = entries(saved(store, "base", form=saving.OCI))
    (entry,) = json.loads(content["index.json"])["manifests"]
    assert entry["digest"] == pulled.manifest.digest
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "docker.io/library/base:latest"
    assert set(content) == {"oci-layout", "index.json"} | {
        f"blobs/sha256/{part.digest.removeprefix('sha256:')}"
        for part in (pulled.manifest, pulled.config, *pulled.layers)
    }


def test_a_docker_archive_has_plain_layers_each_once(store: Store) -> None:
    two_images(store)
    content = entries(saved(store, "base:1", "app:1"))
    one, two = json.loads(content["manifest.json"])
    assert one["RepoTags"] == ["base:1"]
    assert two["Layers"][0] == one["Layers"][0]
    assert [content[name] for name in two["Layers"]] == [BASE, TOP]


def test_names_choose_tags(store: Store) -> None:
    base, app = two_images(store)
    (whole,) = saving.choose(store, ["app"])
    assert whole.tags == ("docker.io/library/app:1", "docker.io/library/app:2")
    (by_id,) = saving.choose(store, [app.id])
    assert by_id.tags == ()
    one, two = saving.choose(store, ["app:1", base.id[7:20], "other:1", "app:1"])
    assert (one.image.id, one.tags) == (app.id, ("docker.io/library/app:1", "docker.io/library/other:1"))
    assert (two.image.id, two.tags) == (base.id, ())
    with pytest.raises(errors.ImageNotFound):
        saving.choose(store, ["nope"])


def test_an_image_without_a_name_is_saved_and_loaded(store: Store, other: Store) -> None:
    base, _ = two_images(store)
    for form in saving.FORMATS:
        assert load(other, saved(store, base.id, form=form)) == [(base.id, ())]


def test_a_damaged_layer_is_not_saved(store: Store) -> None:
    pulled = images.pulled(store, BASE)
    store.adopt(pulled, ["base"], images.ignore)
    store.blobs.delete(pulled.layers[0].digest)
    with pytest.raises(errors.StoreDamaged, match="is damaged"):
        saved(store, "base")
