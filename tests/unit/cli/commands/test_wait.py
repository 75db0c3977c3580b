"""``wait``: exit codes, and the stack that goes with the first container."""

from composer.cli.commands import wait
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row

ROWS = {"containers": [row("t-1"), row("t-2"), row("web-1")]}


def test_the_exit_code_is_of_one_that_failed() -> None:
    connection = FakeConnection({"ps": ROWS, "wait": {"exit_codes": {"id-t-1": 3, "id-t-2": 0}}})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(wait, ["t"]) == 3
    assert connection.asked[-1] == ("wait", {"ids": ["id-t-1", "id-t-2"]})
    assert stage.out.getvalue().splitlines() == [
        'container "id-t-1" exited with status code 3',
        'container "id-t-2" exited with status code 0',
    ]


def test_down_with_the_first() -> None:
    connection = FakeConnection({"ps": ROWS, "wait_any": {"id": "id-t-2", "exit_code": 7}, "down": {}})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(wait, ["--down-project", "t", "web"]) == 7
    assert [command for command, _ in connection.asked] == ["ps", "wait_any", "down"]
