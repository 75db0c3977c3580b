"""``logs``: options, and an end."""

from pathlib import Path

import pytest

from composer import errors
from composer.cli.commands import logs
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row


@pytest.mark.parametrize(("text", "expected"), [("all", None), ("0", 0), ("12", 12), ("-1", None)])
def test_tail(text: str, expected: int | None) -> None:
    assert logs.lines_of(text) == expected


def test_tail_that_is_no_number() -> None:
    with pytest.raises(errors.UsageError, match="'few'"):
        logs.lines_of("few")


def _write(tmp_path: Path, name: str, text: str) -> None:
    log = tmp_path / "data" / "containers" / f"id-{name}" / "log"
    log.parent.mkdir(parents=True)
    log.write_text(f"2026-11-23T18:00:01.5+00:00 stdout F {text}\n")


@pytest.mark.parametrize("options", [[], ["-f"]])
def test_shows_the_logs_of_ended_containers(tmp_path: Path, options: list[str]) -> None:
    _write(tmp_path, "web-1", "bye")
    _write(tmp_path, "db-1", "no")
    rows = [row("web-1", State="exited"), row("db-1", State="exited")]
    stage = Stage(FakeConnection({"ps": {"containers": rows}}), ["-p", "demo"])
    assert stage.run(logs, [*options, "-t", "web"]) == 0
    assert stage.out.getvalue() == "web-1  | 2026-11-23T18:00:01.5+00:00 bye\n"


def test_unknown_services() -> None:
    stage = Stage(FakeConnection({"ps": {"containers": [row("web-1")]}}), ["-p", "demo"])
    with pytest.raises(errors.UsageError, match="no such service: nope"):
        stage.run(logs, ["nope"])
