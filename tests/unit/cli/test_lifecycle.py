"""``start``, ``stop``, ``restart``, ``pause``, ``rm`` and ``kill``."""

import io

import pytest

from composer.cli.commands import kill, pause, restart, rm, start, stop, unpause
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row


@pytest.mark.parametrize(
    ("command", "argv", "expected"),
    [
        (start, ["web"], ("start", {"services": ["web"], "wait": False, "wait_timeout": None})),
        (
            start,
            ["--wait", "--wait-timeout", "9"],
            ("start", {"services": [], "wait": True, "wait_timeout": 9}),
        ),
        (stop, ["-t", "3"], ("stop", {"services": [], "timeout": 3})),
        (restart, [], ("restart", {"services": [], "timeout": None, "no_deps": False})),
        (restart, ["--no-deps"], ("restart", {"services": [], "timeout": None, "no_deps": True})),
        (pause, ["web"], ("pause", {"services": ["web"]})),
        (unpause, [], ("unpause", {"services": []})),
        (kill, ["-s", "HUP", "web"], ("kill", {"services": ["web"], "signal": "HUP"})),
        (kill, [], ("kill", {"services": [], "signal": "SIGKILL"})),
    ],
)
def test_requests(command: object, argv: list[str], expected: tuple[str, dict[str, object]]) -> None:
    connection = FakeConnection({expected[0]: {"changed": True, "killed": 1}})
    stage = Stage(connection, ["-p", "demo", "--parallel", "2"])
    assert stage.run(command, argv) == 0
    assert connection.asked == [(expected[0], {**expected[1], "parallel": 2})]
    assert stage.out.getvalue() == ""


@pytest.mark.parametrize("connection", [None, FakeConnection({"stop": {"changed": False}})])
def test_nothing_to_do(connection: FakeConnection | None) -> None:
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(stop, []) == 0
    assert stage.out.getvalue() == "nothing to do\n"


ROWS = {"containers": [row("web-1"), row("db-1", State="exited"), row("web-2", State="paused")]}


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_rm_asks_first(monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    connection = FakeConnection({"ps": ROWS, "rm": {"changed": True}})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(rm, []) == code
    assert stage.err.getvalue() == "? Going to remove demo-db-1 [yN] "
    assert [command for command, _ in connection.asked] == (["ps"] if code else ["ps", "rm"])


def test_rm_with_force_does_not_ask() -> None:
    connection = FakeConnection({"ps": ROWS, "rm": {"changed": True}})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(rm, ["-fsv", "-t", "1", "web"]) == 0
    expected = {"services": ["web"], "stop": True, "volumes": True, "timeout": 1, "parallel": -1}
    assert connection.asked[-1] == ("rm", expected)


def test_rm_of_what_runs_removes_nothing() -> None:
    connection = FakeConnection({"ps": ROWS})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(rm, ["-f", "web"]) == 0
    assert stage.err.getvalue() == "No stopped containers\n"
    assert [command for command, _ in connection.asked] == ["ps"]
