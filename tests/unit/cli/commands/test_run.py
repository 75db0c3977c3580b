"""``run``: what is asked for, and that a one-off goes when it is told to."""

import pytest

from composer import errors
from composer.cli.commands import run
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection

MADE = {"id": "abc", "name": "demo-web-run-1", "socket": "/nowhere/attach", "log": "/nowhere/log"}


def test_detached_starts_and_names_the_container() -> None:
    connection = FakeConnection({"run": MADE})
    stage = Stage(connection, ["-p", "demo"])
    argv = ["-d", "-e", "A=1", "--entrypoint", "sh -c 'a b'", "--no-deps", "web", "--", "echo", "-n"]
    assert stage.run(run, argv) == 0
    assert [command for command, _ in connection.asked] == ["run", "run_start"]
    arguments = connection.asked[0][1]
    assert arguments["command"] == ["echo", "-n"]
    assert arguments["entrypoint"] == ["sh", "-c", "a b"]
    assert arguments["environment"] == {"A": "1"}
    assert (arguments["tty"], arguments["stdin"], arguments["no_deps"]) == (False, False, True)
    assert stage.out.getvalue() == "demo-web-run-1\n"


def test_without_a_command_the_image_decides() -> None:
    connection = FakeConnection({"run": MADE})
    Stage(connection, ["-p", "demo"]).run(run, ["-d", "web"])
    assert connection.asked[0][1]["command"] is None


def test_a_failed_attach_still_removes_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> int:
        raise errors.RuntimeFailure("cannot attach")

    monkeypatch.setattr(run, "_attached", fail)
    connection = FakeConnection({"run": MADE})
    with pytest.raises(errors.RuntimeFailure):
        Stage(connection, ["-p", "demo"]).run(run, ["--rm", "web", "true"])
    assert connection.asked[-1] == ("remove_one_off", {"id": "abc"})


def test_an_entrypoint_with_an_open_quote() -> None:
    with pytest.raises(errors.UsageError, match="entrypoint"):
        run.words_of("sh -c 'a")
