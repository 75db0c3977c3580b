"""``config`` on a real file."""

import json
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


def test_audit_lists_findings_and_says_so_by_its_exit_code() -> None:
    Path("compose.yaml").write_text("services: {web: {image: busybox, ports: ['80:80'], privileged: true}}\n")
    stage = Stage(None, [])
    assert stage.run(config, ["--audit"]) == 2
    lines = stage.out.getvalue().splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["WEIGHT", "SERVICE", "ATTRIBUTE"],
        ["high", "web", "privileged"],
        ["medium", "web", "ports"],
    ]


def test_audit_for_programs() -> None:
    Path("compose.yaml").write_text("services: {web: {image: busybox, uts: host}, db: {image: busybox}}\n")
    stage = Stage(None, [])
    assert stage.run(config, ["--audit", "--format", "json"]) == 2
    (finding,) = json.loads(stage.out.getvalue())
    assert (finding["Service"], finding["Attribute"], finding["Weight"]) == ("web", "uts", "low")
    assert Stage(None, []).run(config, ["--audit", "-q", "db"]) == 0


def test_audit_of_a_stack_that_asks_for_nothing() -> None:
    Path("compose.yaml").write_text("services: {web: {image: busybox}}\n")
    stage = Stage(None, [])
    assert stage.run(config, ["--audit"]) == 0
    assert stage.out.getvalue() == "nothing beyond the baseline\n"
