"""Images as rows and as docker's JSON; names from archives; the store on disk."""

import json

import pytest

from composer import errors
from composer.cli.commands import image
from composer.model.image import HistoryEntry, Image, ImageConfig
from tests.fakes.command_line import Stage

DEBIAN = Image(
    id="sha256:" + "ab" * 32,
    config=ImageConfig(environment={"PATH": "/bin"}, command=("bash",)),
    layers=("sha256:" + "01" * 32,),
    tags=("docker.io/library/debian:bookworm-slim", "registry.example:5000/base:1"),
    history=(HistoryEntry(created="2026-11-23T00:00:00Z", created_by="bootstrap"),),
    created="2026-11-23T18:59:35Z",
    size=74_800_000,
)


def test_a_row_per_name() -> None:
    names = [(value["Repository"], value["Tag"]) for value in image.values_of(DEBIAN)]
    assert names == [("debian", "bookworm-slim"), ("registry.example:5000/base", "1")]


def test_a_nameless_image_is_a_row() -> None:
    nameless = Image(id="sha256:" + "cd" * 32, config=ImageConfig())
    assert [value["Repository"] for value in image.values_of(nameless)] == ["<none>"]


def test_inspection_has_dockers_keys() -> None:
    value = image.inspection_of(DEBIAN)
    assert value["Config"] == {"Cmd": ["bash"], "Env": ["PATH=/bin"]}
    assert value["RootFS"] == {"Type": "layers", "Layers": list(DEBIAN.layers)}
    assert value["RepoTags"] == list(DEBIAN.tags)


@pytest.mark.parametrize(("file", "name"), [("/a/RootFS.tar.gz", "rootfs"), ("base.tar", "base")])
def test_an_archive_names_its_image(file: str, name: str) -> None:
    assert image.name_from(file) == name


@pytest.mark.parametrize("file", ["-", "/a/.tar"])
def test_what_has_no_name_needs_one(file: str) -> None:
    with pytest.raises(errors.UsageError, match="needs a name"):
        image.name_from(file)


def test_an_empty_store_is_an_empty_table() -> None:
    stage = Stage(None, [])
    assert stage.run(image, ["ls"]) == 0
    assert stage.out.getvalue().split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]


@pytest.mark.parametrize("argv", [["inspect", "nope"], ["rm", "nope"]])
def test_a_missing_image(argv: list[str]) -> None:
    with pytest.raises(errors.ImageNotFound):
        Stage(None, []).run(image, argv)


def test_an_archive_that_is_not_there() -> None:
    with pytest.raises(errors.UsageError, match="cannot read /nowhere"):
        Stage(None, []).run(image, ["import", "/nowhere.tar"])


def test_busybox_takes_no_packages() -> None:
    with pytest.raises(errors.UsageError, match="--busybox"):
        Stage(None, []).run(image, ["bootstrap", "--busybox", "--include", "vim", "busybox"])


def test_ls_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        def list(self) -> list[Image]:
            return [DEBIAN]

    monkeypatch.setattr(image, "_store", lambda _session: Store())
    stage = Stage(None, [])
    stage.run(image, ["ls", "--format", "json"])
    assert [json.loads(line)["Tag"] for line in stage.out.getvalue().splitlines()] == ["bookworm-slim", "1"]
    stage = Stage(None, [])
    stage.run(image, ["ls", "-q"])
    assert stage.out.getvalue() == "abababababab\n"
    stage = Stage(None, [])
    stage.run(image, ["ls"])
    assert "debian                       bookworm-slim   abababababab   2026-11-23 18:59:35   74.8MB\n" in (
        stage.out.getvalue()
    )
