"""The image store: names, layers, tags, removal, cache; and archives that can be made again."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.host import process
from composer.image import bootstrap, importer, pack, unpack
from composer.image.store import Store
from composer.model import reference
from composer.model.image import ImageConfig


def layer_of(store: Store, **files: str) -> str:
    tree = store.staging("test") / "tree"
    tree.mkdir()
    for name, content in files.items():
        (tree / name).write_text(content)
        os.utime(tree / name, (1, 1))
    os.utime(tree, (1, 1))
    return store.add_layer(tree)


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("debian:bookworm-slim", "docker.io/library/debian:bookworm-slim", "debian:bookworm-slim"),
        ("me/app:1", "docker.io/me/app:1", "me/app:1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("reg.example:5000/a/b:x", "reg.example:5000/a/b:x", "reg.example:5000/a/b:x"),
        ("a@sha256:" + "0" * 64, "docker.io/library/a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64),
    ],
)
def test_references(text: str, full: str, familiar: str) -> None:
    parsed = reference.parse(text)
    assert (str(parsed), parsed.familiar) == (full, familiar)
    assert reference.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text", ["", "UPPER", "a b", "a:", "a:b:c", "../a", "-a", "a@sha256:12", "a@", "a/", "a:" + "t" * 200]
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(errors.UsageError):
        reference.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parsed = reference.parse(text)
    except errors.UsageError:
        return
    assert reference.parse(str(parsed)) == parsed


def test_images_are_found_by_name_id_and_prefix(store: Store) -> None:
    image = store.add_image(
        ImageConfig(command=("x",)), [layer_of(store, a="1")], tags=["app:1"], created="2026-01-01T00:00:00Z"
    )
    assert store.find("app:1") == image
    assert store.find(image.id) == image
    assert store.find(image.id[7:19]) == image
    assert store.find("app") is None
    assert image.config.command == ("x",)
    with pytest.raises(errors.ImageNotFound) as caught:
        store.get("other")
    assert "image bootstrap" in caught.value.hint
    assert "image import" in caught.value.hint


def test_the_same_tree_is_the_same_layer(store: Store) -> None:
    one, two = layer_of(store, a="1"), layer_of(store, a="1")
    assert one == two
    assert layer_of(store, a="2") != one
    (path,) = store.paths_of_layers([one])
    assert (path / "a").read_text() == "1"
    with pytest.raises(errors.StoreDamaged):
        store.paths_of_layers(["sha256:" + "0" * 64])
    with pytest.raises(errors.ImageError):
        store.paths_of_layers(["sha256:../../../x"])


def test_a_tag_moves_and_removal_keeps_what_is_used(store: Store) -> None:
    shared, own = layer_of(store, s="1"), layer_of(store, o="1")
    one = store.add_image(ImageConfig(), [shared], tags=["one"])
    two = store.add_image(ImageConfig(), [shared, own], tags=["two", "alias"])
    store.remember("key", (own,))
    assert store.cached("key") == (own,)
    assert store.remove("alias") == ["Untagged: alias:latest"]
    said = store.remove("two")
    assert said[0] == "Untagged: two:latest"
    assert f"Deleted: {two.id}" in said
    assert f"Deleted: {own}" in said
    assert f"Deleted: {shared}" not in said
    assert store.cached("key") is None
    store.tag("moved", one.id)
    assert [image.tags for image in store.list()] == [
        ("docker.io/library/moved:latest", "docker.io/library/one:latest")
    ]


def test_an_image_that_is_gone_gets_no_name(store: Store) -> None:
    with pytest.raises(errors.ImageNotFound):
        store.tag("late", "sha256:" + "0" * 64)
    assert store.find("late") is None


def test_staging_of_dead_processes_is_swept(store: Store, tmp_path: Path) -> None:
    me = process.identity_of(os.getpid())
    assert me is not None
    staging = tmp_path / "data/layers/staging"
    dead = [staging / "999999999.1-1-x", staging / f"{me.pid}.{me.start_time - 1}-1-x", staging / "odd"]
    alive = staging / f"{me.pid}.{me.start_time}-99-x"
    for directory in (*dead, alive):
        directory.mkdir(parents=True)
    mine = store.staging("mine")
    assert sorted(staging.iterdir()) == sorted([alive, mine])
    for directory in dead:
        directory.mkdir()
    with store.lease():
        assert sorted(staging.iterdir()) == sorted([alive, mine])


@pytest.mark.root
def test_what_is_packed_unpacks_to_the_same(store: Store, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d/file").write_text("x" * 1000)
    (tree / "d/file").chmod(0o4755)
    os.link(tree / "d/file", tree / "hard")
    (tree / "link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "pipe")
    os.mknod(tree / "gone", 0o20000, 0)
    os.setxattr(tree / "d", "trusted.overlay.opaque", b"y")
    os.setxattr(tree / "d/file", "user.note", b"hello")
    os.chown(tree / "d/file", 12, 34)
    stream = io.BytesIO()
    pack.write(tree, stream.write)
    stream.seek(0)
    again = tmp_path / "again"
    again.mkdir()
    assert unpack.unpack(stream, again).diff_id == pack.measure(tree).diff_id == pack.measure(again).diff_id
    assert (again / "d/file").stat().st_nlink == 2
    assert os.getxattr(again / "d", "trusted.overlay.opaque") == b"y"
    stream.seek(0)
    image = importer.import_tar(store, stream, "packed")
    assert image.layers == (pack.measure(tree).diff_id,)


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("debian:bookworm-slim", "bookworm"),
        ("debian:trixie", "trixie"),
        ("debian", "stable"),
        ("debian:latest", "stable"),
    ],
)
def test_suites(name: str, suite: str) -> None:
    assert bootstrap.suite_of(name) == suite
