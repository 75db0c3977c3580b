"""Which stack is meant, and that a later command knows without reading YAML."""

import io
import os
import sys
from pathlib import Path

import pytest

from composer import errors
from composer.cli import shortcut
from tests.fakes.command_line import Stage

FILE = "name: ${PREFIX:-my}-stack\nservices:\n  web:\n    image: busybox\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, which is also the working directory."""
    place = tmp_path / "Some Project"
    place.mkdir()
    (place / "compose.yaml").write_text(FILE)
    monkeypatch.chdir(place)
    monkeypatch.delenv("PREFIX", raising=False)
    return place


def _remembered(stage: Stage) -> str | None:
    session = stage.session
    return shortcut.lookup(session.run, session._key(), dict(os.environ))


def test_the_name_is_found_once_and_remembered(directory: Path) -> None:
    stage = Stage(None, [])
    assert stage.session.stack_name() == "my-stack"
    assert _remembered(Stage(None, [])) == "my-stack"
    (directory / "compose.yaml").write_text("services: {web: {image: busybox}}\n")
    assert _remembered(Stage(None, [])) is None
    assert Stage(None, []).session.stack_name() == "someproject"


def test_the_shortcut_needs_no_loader(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del directory
    Stage(None, []).session.stack_name()
    monkeypatch.setitem(sys.modules, "composer.stackfile.locate", None)
    assert Stage(None, []).session.stack_name() == "my-stack"


@pytest.mark.parametrize("appearing", [".env", "compose.override.yaml"])
def test_a_new_file_ends_trust(directory: Path, appearing: str) -> None:
    Stage(None, []).session.stack_name()
    (directory / appearing).write_text("# nothing\n")
    assert _remembered(Stage(None, [])) is None


def test_a_variable_of_the_name_ends_trust(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del directory
    Stage(None, []).session.stack_name()
    monkeypatch.setenv("PREFIX", "your")
    assert _remembered(Stage(None, [])) is None
    assert Stage(None, []).session.stack_name() == "your-stack"


def test_a_file_nearer_by_ends_trust(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = directory / "deep"
    deep.mkdir()
    monkeypatch.chdir(deep)
    assert Stage(None, []).session.stack_name() == "my-stack"
    (deep / "compose.yml").write_text("services: {a: {image: b}}\n")
    assert Stage(None, []).session.stack_name() == "deep"


def test_loading_gives_name_and_seed(directory: Path) -> None:
    session = Stage(None, []).session
    loaded = session.load(["web"])
    assert loaded.stack.files == (str(directory / "compose.yaml"),)
    assert session.load() is loaded
    assert session.stack_name() == "my-stack"


def test_stdin_is_read_once_and_not_remembered(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del directory
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"name: piped\nservices: {a: {image: b}}\n"))
    )
    stage = Stage(None, ["-f", "-"])
    assert stage.session.stack_name() == "piped"
    assert stage.session.source()["stdin"] == stage.session.source()["stdin"] != ""
    assert _remembered(stage) is None


def test_no_file_is_a_stack_file_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.StackFileError):
        Stage(None, ["-f", "absent.yaml"]).session.load()


def test_the_source_says_all_that_a_loader_needs(directory: Path) -> None:
    root = ["-f", "a", "-p", "n", "--project-directory", "d", "--profile", "x", "--env-file", "e"]
    source = Stage(None, root).session.source()
    assert isinstance(source.pop("environment"), dict)
    assert source == {
        "directory": str(directory),
        "files": ["a"],
        "project_name": "n",
        "project_directory": "d",
        "profiles": ["x"],
        "env_files": ["e"],
        "stdin": None,
    }
