from __future__ import annotations

import os
from pathlib import Path

from composer.dockerfile import workspace
from composer.dockerfile.workspace import Workspace
from tests.fakes.builds import Workshop


def test_a_workspace_is_gone_after_its_block(shop: Workshop) -> None:
    layers = shop.store.get("base").layers
    with workspace.opened(shop.store, "step", layers) as room:
        assert room.upper.is_dir()
        assert room.is_unchanged
        assert (room.layers[0] / "etc/passwd").is_file()
        (room.upper / "x").write_text("")
        assert not room.is_unchanged
    assert not room.directory.exists()


def test_a_stage_without_layers_stands_on_an_empty_one(shop: Workshop) -> None:
    with workspace.opened(shop.store, "step", ()) as room:
        assert [list(layer.iterdir()) for layer in room.layers] == [[]]
        assert room.upper.stat().st_mode & 0o777 == 0o755


def test_only_empty_stubs_that_are_new_are_removed(tmp_path: Path) -> None:
    room = Workspace(directory=tmp_path, layers=(tmp_path / "lower",))
    for path in (room.upper, room.layers[0]):
        (path / "etc").mkdir(parents=True)
    (room.layers[0] / "etc/hosts").write_text("")
    for name in ("hosts", "hostname"):
        (room.upper / "etc" / name).write_text("")
    (room.upper / "etc/resolv.conf").write_text("written by the command")
    (room.upper / "proc").mkdir()
    (room.upper / "dev").mkdir()
    (room.upper / "dev/made").write_text("")
    (tmp_path / "victim").mkdir()
    (room.upper / "sys").symlink_to(tmp_path / "victim")
    workspace.remove_stubs(room)
    assert sorted(os.listdir(room.upper)) == ["dev", "etc", "sys"]
    assert sorted(os.listdir(room.upper / "etc")) == ["hosts", "resolv.conf"]
    assert (tmp_path / "victim").is_dir()


def test_a_stub_through_a_link_is_left_alone(tmp_path: Path) -> None:
    room = Workspace(directory=tmp_path, layers=(tmp_path / "lower",))
    room.upper.mkdir()
    room.layers[0].mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/hosts").write_text("")
    (room.upper / "etc").symlink_to(tmp_path / "victim")
    try:
        workspace.remove_stubs(room)
    except OSError:
        pass
    assert (tmp_path / "victim/hosts").exists()


def test_only_later_times_are_clamped(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, time in (("d/new", 5000), ("d/old", 10), ("d", 5000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    (tmp_path / "link").symlink_to("/nowhere")
    workspace.clamp_times(tmp_path, 1000)
    assert (tmp_path / "d/new").stat().st_mtime == 1000
    assert (tmp_path / "d/old").stat().st_mtime == 10
    assert (tmp_path / "d").stat().st_mtime == 1000
    assert (tmp_path / "link").lstat().st_mtime == 1000
