"""``config`` on a real file."""

from pathlib import Path

import pytest

from composer import errors
from composer.cli.commands import config
from tests.fakes.command_line import Stage

FILE = """
services:
  web: {build: ., volumes: ["data:/data"]}
  db: {image: "busybox", networks: [back]}
volumes: {data: }
networks: {back: }
"""


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "demo"
    place.mkdir()
    (place / "compose.yaml").write_text(FILE)
    monkeypatch.chdir(place)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-q"], ""),
        (["--services"], "db\nweb\n"),
        (["--volumes"], "data\n"),
        (["--networks"], "back\ndefault\n"),
        (["--images"], "busybox\ndemo-web\n"),
    ],
)
def test_lists(argv: list[str], expected: str) -> None:
    stage = Stage(None, [])
    assert stage.run(config, argv) == 0
    assert stage.out.getvalue() == expected


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_output_goes_to_a_file(form: str, tmp_path: Path) -> None:
    stage = Stage(None, [])
    target = tmp_path / "out"
    assert stage.run(config, ["--format", form, "-o", str(target)]) == 0
    assert stage.out.getvalue() == ""
    assert "demo_data" in target.read_text()
    assert target.read_text().startswith("{") is (form == "json")


def test_a_target_that_cannot_be_written() -> None:
    with pytest.raises(errors.UsageError, match="cannot write"):
        Stage(None, []).run(config, ["-o", "/nowhere/out"])


def test_a_wrong_file() -> None:
    Path("compose.yaml").write_text("services: {web: {imagee: x}}\n")
    with pytest.raises(errors.StackFileError, match="imagee"):
        Stage(None, []).run(config, ["-q"])
