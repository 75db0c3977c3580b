"""Save, load and import as commands: files, pipes, terminals."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from composer import errors
from composer.cli import outputs
from composer.cli.imageverbs import importing, load, save
from composer.image.store import Store
from tests import images
from tests.fakes.command_line import Stage


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    def __init__(self, content: bytes = b"") -> None:
        super().__init__()
        self.buffer = io.BytesIO(content)


@pytest.mark.root
def test_a_file_and_a_pipe_have_the_same_content(
    store: Store, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", pipe)
    assert stage.run(save, ["app"]) == 0
    file = tmp_path / "app.tar"
    assert stage.run(save, ["-o", str(file), "app"]) == 0
    assert file.read_bytes() == pipe.buffer.getvalue()
    assert sorted(os.listdir(tmp_path)) == ["app.tar", "data", "run"]
    app = store.get("app:1").id
    store.remove(app, force=True)
    assert stage.run(load, ["-q", "-i", str(file)]) == 0
    assert stage.out.getvalue() == "Loaded image: app:1\n"
    assert store.get("app:1").id == app
    monkeypatch.setattr(sys, "stdin", Pipe(file.read_bytes()))
    assert Stage(None, []).run(load, []) == 0


def test_a_failed_save_leaves_no_file(store: Store, stage: Stage, tmp_path: Path) -> None:
    base = store.get("base:1")
    (path,) = store.layer_paths(base)
    (path / "base").write_text("edited")
    with pytest.raises(errors.StoreDamaged):
        stage.run(save, ["-o", str(tmp_path / "out.tar"), "base:1"])
    assert sorted(os.listdir(tmp_path)) == ["data", "run"]


def test_terminals_are_no_place_for_archives(
    store: Store, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(errors.UsageError, match="terminal") as caught:
        stage.run(save, ["app"])
    assert "-o FILE" in caught.value.hint
    with pytest.raises(errors.UsageError, match="no archive"):
        stage.run(load, [])


@pytest.mark.parametrize("argv", [["-i", "/nowhere.tar"]])
def test_files_that_are_not_there(argv: list[str], stage: Stage) -> None:
    with pytest.raises(errors.UsageError, match="cannot read /nowhere"):
        stage.run(load, argv)
    with pytest.raises(errors.UsageError, match="cannot read /nowhere"):
        stage.run(importing, ["/nowhere.tar"])
    with pytest.raises(errors.UsageError, match="cannot write /nowhere/x"):
        outputs.write("/nowhere/x.tar", lambda _sink: None)


@pytest.mark.root
def test_importing_with_changes(
    store: Store, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Pipe(images.tar_of({"hello": "x"})))
    argv = [
        "-c",
        'CMD ["sh"]',
        "-c",
        "ENV A=1",
        "-m",
        "old server",
        "--platform",
        "linux/arm64/v8",
        "-",
        "x:1",
    ]
    assert stage.run(importing, argv) == 0
    image = store.get("x:1")
    assert stage.out.getvalue() == f"{image.id}\n"
    assert (image.config.command, image.config.environment) == (("sh",), {"A": "1"})
    assert (image.architecture, image.variant) == ("arm64", "v8")
    assert image.history[0].comment == "old server"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-"], "needs a name"),
        (["/a/.tar"], "needs a name"),
        (["https://example.org/x.tar", "x"], "is no file"),
        (["--platform", "a/b/c/d", "f.tar"], "invalid platform"),
        (["-c", "RUN x", "f.tar"], "invalid change"),
    ],
)
@pytest.mark.usefixtures("store")
def test_imports_that_are_refused(
    argv: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f.tar").write_bytes(images.tar_of({}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.UsageError, match=message):
        Stage(None, []).run(importing, argv)


@pytest.mark.parametrize(("file", "name"), [("/a/RootFS.tar.gz", "rootfs"), ("base.tar", "base")])
def test_an_archive_names_its_image(file: str, name: str) -> None:
    assert importing.name_from(file) == name
