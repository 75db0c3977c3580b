"""``system prune``: what it says it will remove, and what it removes."""

from __future__ import annotations

import io
import re
import sys

import pytest

from composer import errors
from composer.cli.systemverbs import prune
from composer.engine.drivers import Drivers
from composer.model.container import VolumeSpec
from composer.model.image import ImageConfig
from tests.fakes.command_line import Stage


@pytest.fixture
def drivers() -> Drivers:
    """``app:1``, a nameless image, a cached layer, a named and an anonymous volume."""
    drivers = Stage(None, []).session.drivers()
    for name, tags in (("app", ["app:1"]), ("nameless", [])):
        drivers.images.add_image(ImageConfig(command=(name,)), [_layer(drivers, name)], tags=tags)
    drivers.images.remember("step", (_layer(drivers, "cached"),))
    for name in ("demo_data", "anonymous-0123456789"):
        drivers.volumes.create(VolumeSpec(stack="demo", key="data", name=name))
        (drivers.volumes.path(name) / "file").write_text("user's")
    return drivers


def _layer(drivers: Drivers, name: str) -> str:
    tree = drivers.images.staging("test") / "tree"
    tree.mkdir()
    (tree / name).write_text(name * 100)
    return drivers.images.add_layer(tree)


def run(*argv: str) -> str:
    stage = Stage(None, [])
    assert stage.run(prune, list(argv)) == 0
    return stage.out.getvalue()


def test_what_has_a_name_stays(drivers: Drivers) -> None:
    said = run("-f")
    assert "Deleted Images:" in said
    assert "Deleted build cache objects:" in said
    freed = re.search(r"Total reclaimed space: 1\.(\d+)kB\n$", said)
    assert freed is not None  # 800 and 600 bytes of layers, and a configuration
    assert freed[1] >= "4"
    assert [image.tags for image in drivers.images.list()] == [("docker.io/library/app:1",)]
    assert drivers.records.volume_names() == {"demo_data", "anonymous-0123456789"}


def test_all_and_volumes(drivers: Drivers) -> None:
    said = run("-f", "-a", "--volumes")
    assert "Deleted Volumes:\nanonymous-0123456789\n" in said
    assert drivers.images.list() == []
    assert drivers.images.disk_usage() == 0
    assert drivers.records.volume_names() == {"demo_data"}
    assert (drivers.volumes.path("demo_data") / "file").read_text() == "user's"


def test_filters_are_obeyed(drivers: Drivers) -> None:
    run("-f", "-a", "--filter", "label=nope")
    assert len(drivers.images.list()) == 2
    assert drivers.images.cached("step") is not None
    with pytest.raises(errors.UsageError, match="no age"):
        run("-f", "--volumes", "--filter", "until=1h")


def test_it_says_what_it_will_remove(drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    stage = Stage(None, [])
    assert stage.run(prune, ["-a", "--volumes"]) == 0
    for line in (
        "all stopped containers",
        "anonymous volumes",
        "without at least one container",
        "build cache",
    ):
        assert line in stage.err.getvalue()
    assert len(drivers.images.list()) == 2
