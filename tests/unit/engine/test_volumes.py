"""Volumes stay inside the store, whatever a record says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from composer import errors
from composer.engine.records import Records
from composer.engine.volumes import Volumes, mounts_with_image_volumes
from composer.host.database import Database
from composer.host.paths import Paths
from composer.model.container import ContainerMount, VolumeSpec
from composer.model.stack import MountKind


@pytest.fixture
def volumes(tmp_path: Path) -> Iterator[Volumes]:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.make()
    database = Database(paths.database)
    yield Volumes(paths, Records(database))
    database.close()


def test_made_seen_and_removed(volumes: Volumes) -> None:
    volumes.create(VolumeSpec(stack="s", key="data", name="s_data"))
    volumes.create(VolumeSpec(stack="s", key="data", name="s_data"))
    (volumes.path("s_data") / "file").write_text("x")
    assert [(name, volume.damage) for name, volume in volumes.observe("s").items()] == [("s_data", "")]
    volumes.remove("s_data")
    volumes.remove("s_data")
    assert volumes.observe("s") == {}
    assert not volumes.path("s_data").exists()


def test_mount_points_of_killed_starts_go_with_the_volume(volumes: Volumes, tmp_path: Path) -> None:
    volumes.create(VolumeSpec(stack="s", key="m", name="s_m", options={"type": "tmpfs", "device": "x"}))
    assert volumes.is_mounted("s_m")
    for name in ("s_m/0123456789ab", "s_m.other/0123456789ab"):
        (tmp_path / "run" / "volumes" / name).mkdir(parents=True)
    (tmp_path / "run" / "volumes" / "s_m" / "lock").touch()
    volumes.remove("s_m")
    assert [path.name for path in (tmp_path / "run" / "volumes").iterdir()] == ["s_m.other"]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".", "..", ".removing-x"])
def test_names_that_lead_out_are_refused(volumes: Volumes, name: str) -> None:
    for call in (volumes.path, volumes.remove):
        with pytest.raises(errors.StoreDamaged):
            call(name)


def test_volumes_of_the_image_that_nothing_covers_are_anonymous() -> None:
    named = ContainerMount(kind=MountKind.VOLUME, target="/data", source="v")
    mounts = mounts_with_image_volumes((named,), ("/data/", "/log"))
    assert [(mount.source, mount.target) for mount in mounts] == [("v", "/data"), ("", "/log")]
