"""``start``, ``stop``, ``restart`` and ``kill``."""

import pytest

from composer.cli.commands import kill, restart, start, stop
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection


@pytest.mark.parametrize(
    ("command", "argv", "expected"),
    [
        (start, ["web"], ("start", {"services": ["web"]})),
        (stop, ["-t", "3"], ("stop", {"services": [], "timeout": 3})),
        (restart, [], ("restart", {"services": [], "timeout": None})),
        (kill, ["-s", "HUP", "web"], ("kill", {"services": ["web"], "signal": "HUP"})),
        (kill, [], ("kill", {"services": [], "signal": "SIGKILL"})),
    ],
)
def test_requests(command: object, argv: list[str], expected: tuple[str, dict[str, object]]) -> None:
    connection = FakeConnection({expected[0]: {"changed": True, "killed": 1}})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(command, argv) == 0
    assert connection.asked == [expected]
    assert stage.out.getvalue() == ""


@pytest.mark.parametrize("connection", [None, FakeConnection({"stop": {"changed": False}})])
def test_nothing_to_do(connection: FakeConnection | None) -> None:
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(stop, []) == 0
    assert stage.out.getvalue() == "nothing to do\n"
