"""Images that come from elsewhere: unpacked, compared with what they promise, named, sent out again."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

from composer import errors
from composer.image import pack
from composer.image.store import Store
from composer.model import manifest
from composer.model.distribution import Descriptor, Transfer, TransferState
from composer.model.image import ImageConfig
from tests import images

BASE = images.tar_of({"etc": "base", "shared": "1"})
TOP = images.tar_of({"app": "top"})
INDEX = "sha256:" + "1" * 64

pytestmark = pytest.mark.root  # layers keep their owners


def test_an_adopted_image_is_there_byte_for_byte(store: Store) -> None:
    pulled = images.pulled(store, BASE, TOP, index_digest=INDEX)
    said: list[Transfer] = []
    image = store.adopt(pulled, ["registry.example/app:1"], said.append)
    assert image.id == pulled.config.digest
    assert image.tags == ("registry.example/app:1",)
    assert image.digests == (f"registry.example/app@{INDEX}",)
    assert image.config == ImageConfig(environment={"A": "1"}, command=("sh",))
    assert json.loads(store.configuration_bytes(image))["unknown"] == "kept"
    base, top = store.layer_paths(image)
    assert ((base / "etc").read_text(), (top / "app").read_text()) == ("base", "top")
    assert image.size == len("base1top")
    assert {one.state for one in said} == {TransferState.UNPACKING, TransferState.DONE}
    for name in ("registry.example/app:1", f"registry.example/app@{INDEX}", image.id[7:20]):
        assert store.get(name) == image
    assert store.get(f"registry.example/app@{pulled.manifest.digest}") == image
    assert store.find(f"registry.example/other@{INDEX}") is None


def test_a_layer_without_a_root_entry_is_open_to_all_whatever_the_umask(store: Store) -> None:
    """Docker's layers have none, and a supervisor's umask is 077: users of the image must get in."""
    before = os.umask(0o077)
    try:
        image = store.adopt(images.pulled(store, BASE, TOP), ["app"], images.ignore)
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in store.layer_paths(image)] == [0o755, 0o755]


def test_it_goes_out_as_it_came(store: Store) -> None:
    pulled = images.pulled(store, BASE, TOP)
    image = store.adopt(pulled, ["registry.example/app:1"], images.ignore)
    request = store.push_request(image, "registry.example/copy")
    assert f"sha256:{hashlib.sha256(request.manifest).hexdigest()}" == pulled.manifest.digest
    assert request.media_type == manifest.DOCKER_MANIFEST
    assert request.layers == pulled.layers
    assert request.origins == {layer.digest: "app" for layer in pulled.layers}
    assert store.push_request(image, "elsewhere.example/copy").origins == {}
    assert store.push_request(image, "registry.example/app").origins == {}
    store.record_push(request, ["registry.example/copy:2"])
    digest = f"registry.example/copy@{pulled.manifest.digest}"
    assert digest in store.get(image.id).digests
    assert store.get(digest).id == image.id


def test_what_was_made_here_goes_out_with_a_stable_digest(store: Store, tmp_path: Path) -> None:
    pulled = images.pulled(store, BASE)
    base = store.adopt(pulled, ["base"], images.ignore)
    tree = store.staging("t") / "tree"
    tree.mkdir()
    (tree / "large").write_bytes(b"some text\n" * 300_000)
    own = store.add_layer(tree)
    image = store.add_image(base.config, [*base.layers, own], tags=["mine"], created="2026-01-01T00:00:00Z")
    first = store.push_request(image, "mine")
    second = store.push_request(image, "mine")
    assert first == second
    assert first.layers[0].digest == pulled.layers[0].digest
    document = manifest.parse(first.manifest, first.media_type)
    assert isinstance(document, manifest.Manifest)
    assert document.config.digest == image.id
    assert store.blobs.size(image.id) == document.config.size
    packed = store.blobs.path(first.layers[1].digest).read_bytes()
    assert f"sha256:{hashlib.sha256(gzip.decompress(packed)).hexdigest()}" == own
    store.blobs.delete(first.layers[1].digest)
    assert store.push_request(image, "mine") == first


def test_a_layer_whose_archive_is_gone_and_cannot_be_made_again_is_named(store: Store) -> None:
    pulled = images.pulled(store, BASE)
    image = store.adopt(pulled, ["base"], images.ignore)
    store.blobs.delete(pulled.layers[0].digest)
    with pytest.raises(errors.StoreDamaged, match="archive is gone"):
        store.push_request(image, "base")
    assert store.blobs.digests() == sorted([pulled.config.digest, pulled.manifest.digest])


def test_a_layer_that_is_not_what_was_promised_is_refused(store: Store) -> None:
    pulled = images.pulled(store, BASE, config=images.config_of([TOP]))
    with pytest.raises(errors.DigestMismatch, match="as the image promises"):
        store.adopt(pulled, ["x"], images.ignore)
    assert store.list() == []
    assert store.layers.diff_ids() == []


@pytest.mark.parametrize(
    "config",
    [
        images.config_of([BASE, TOP]),
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"rootfs": {}}',
        b'{"rootfs": {"diff_ids": ["sha256:../../x"]}}',
        json.dumps({"rootfs": {"diff_ids": ["sha256:" + "a" * 64] * 10_000}}).encode(),
        "{}".encode("utf-16"),
        b" " * (5 << 20),
    ],
    ids=[
        "other number of layers",
        "cut",
        "list",
        "deep",
        "empty",
        "path as digest",
        "10^4 layers",
        "utf-16",
        "large",
    ],
)
def test_a_config_that_is_none_is_refused(config: bytes, store: Store) -> None:
    pulled = images.pulled(store, BASE, config=config)
    with pytest.raises(errors.ImageError):
        store.adopt(pulled, ["x"], images.ignore)
    assert store.list() == []


def test_what_is_no_container_image_is_refused(store: Store) -> None:
    pulled = images.pulled(store, BASE)
    chart = Descriptor(
        media_type="application/vnd.cncf.helm.config.v1+json",
        digest=pulled.config.digest,
        size=pulled.config.size,
    )
    with pytest.raises(errors.ImageError, match="no container image"):
        store.adopt(
            type(pulled)(manifest=pulled.manifest, config=chart, layers=pulled.layers), ["x"], images.ignore
        )


def test_a_pull_by_digest_makes_no_tag(store: Store) -> None:
    pulled = images.pulled(store, BASE)
    name = f"registry.example/app@{pulled.manifest.digest}"
    image = store.adopt(pulled, [name], images.ignore)
    assert (image.tags, image.digests) == ((), (name,))
    assert store.get(name) == image


def test_a_moved_tag_keeps_the_old_image_by_its_digest(store: Store) -> None:
    one = images.pulled(store, BASE)
    two = images.pulled(store, TOP)
    first = store.adopt(one, ["app"], images.ignore)
    second = store.adopt(two, ["app"], images.ignore)
    assert store.get("app").id == second.id
    assert store.get(f"app@{one.manifest.digest}").id == first.id
    assert store.get(first.id).tags == ()


def test_a_layer_is_unpacked_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.adopt(images.pulled(store, BASE), ["one"], images.ignore)
    said: list[Transfer] = []
    store.adopt(images.pulled(store, BASE, TOP), ["two"], said.append)
    assert len({one.digest for one in said if one.state is TransferState.UNPACKING}) == 1


def test_packing_what_a_layer_became_gives_another_archive(store: Store) -> None:
    """The reason why archives of layers from elsewhere are kept."""
    image = store.adopt(images.pulled(store, BASE), ["one"], images.ignore)
    (path,) = store.layer_paths(image)
    assert pack.measure(path).diff_id != image.layers[0]
