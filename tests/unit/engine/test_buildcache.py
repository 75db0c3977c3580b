"""Caches that travel: out of one store and into another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from composer.dockerfile import stepcache
from composer.dockerfile.builder import DockerfileBuilder
from composer.engine import buildcache
from composer.engine.buildcache import CachingBuilder, Place
from composer.image import saving
from composer.model.image import Image, ImageConfig
from composer.model.protocols import BuildRequest
from tests.fakes import builds
from tests.fakes.builds import Signal, Workshop

TEXT = "FROM scratch AS one\nRUN first\nFROM scratch\nCOPY --from=one /ran-1 /x\nRUN last\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("type=local,src=/a", Place(kind="local", where="/a")),
        ("type=local,dest=/a,mode=max", Place(kind="local", where="/a", keeps_all=True)),
        ("type=registry,ref=r/x:1", Place(kind="registry", where="r/x:1")),
        ("r/x:1", Place(kind="registry", where="r/x:1")),
        ("type=inline", Place(kind="inline")),
        ("type=gha", Place(kind="gha")),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert buildcache.parse(text) == place


def shop_in(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    builds.keep_owners(monkeypatch)
    directory.mkdir()
    return builds.workshop(directory)


def build(shop: Workshop, **fields: object) -> tuple[Image, list[str]]:
    builder = DockerfileBuilder(shop.store, shop.runtime, shop.network, overlay=shop.overlay)
    drivers = SimpleNamespace(images=shop.store)
    said: list[str] = []
    request = BuildRequest(context=shop.context, dockerfile_inline=TEXT, **fields)  # type: ignore[arg-type]
    image = CachingBuilder(builder, drivers).build(request, said.append, Signal())  # type: ignore[arg-type]
    return image, said


@pytest.mark.parametrize(("mode", "runs"), [("max", 0), ("min", 1)])
def test_another_store_finds_the_steps_done(
    mode: str, runs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = shop_in(tmp_path / "1", monkeypatch), shop_in(tmp_path / "2", monkeypatch)
    made, said = build(first, cache_to=(f"type=local,dest={tmp_path}/cache,mode={mode}",))
    assert f"exporting cache to {tmp_path}/cache" in said
    again, said = build(second, cache_from=(f"type=local,src={tmp_path}/cache",))
    assert f"importing cache from {tmp_path}/cache" in said
    assert len(second.runtime.requests) == runs
    if mode == "max":
        assert again.layers == made.layers
    assert not [image for image in second.store.list() if stepcache.LABEL in image.config.labels]


def test_an_image_can_be_its_own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shop_in(tmp_path / "1", monkeypatch)
    image, _ = build(shop, cache_to=("type=inline",), tags=("app:1",))
    assert shop.store.get("app:1").id == image.id
    steps = stepcache.steps_in(image.config.labels[stepcache.LABEL], image.layers)
    assert {layer for layers in steps.values() for layer in layers} <= set(image.layers)
    assert len(steps) >= 2


def test_a_cache_that_is_not_there_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shop_in(tmp_path / "1", monkeypatch)
    _, said = build(shop, cache_from=("type=local,src=/nowhere", "type=gha"), cache_to=("type=s3",))
    warnings = [line for line in said if line.startswith("[Warning]")]
    assert len(warnings) == 3
    assert "No such file" in warnings[0]
    assert "no cache of type 'gha'" in warnings[1]


def test_a_cache_neither_takes_nor_gives_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of somebody else's must not say what ``debian`` is here."""
    first, second = shop_in(tmp_path / "1", monkeypatch), shop_in(tmp_path / "2", monkeypatch)
    build(first, tags=("base:1",))
    place = tmp_path / "cache"
    place.mkdir()
    with open(place / buildcache.ARCHIVE, "wb") as file:
        saving.save(first.store, saving.choose(first.store, ["base:1"]), file.write, "oci-archive")
    ours = second.store.add_image(ImageConfig(command=("ours",)), [], tags=["base:1"])
    build(second, cache_from=(f"type=local,src={place}",))
    assert second.store.get("base:1").id == ours.id


def test_an_image_that_was_here_survives_being_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shop_in(tmp_path / "1", monkeypatch)
    image, _ = build(shop, cache_to=("type=inline",), tags=("app:1",))
    place = tmp_path / "cache"
    place.mkdir()
    with open(place / buildcache.ARCHIVE, "wb") as file:
        saving.save(shop.store, saving.choose(shop.store, ["app:1"]), file.write, "oci-archive")
    build(shop, cache_from=(f"type=local,src={place}",))
    assert shop.store.get("app:1").id == image.id
