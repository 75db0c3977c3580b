"""What ``up`` asks for, says and returns."""

import pytest

from composer import errors
from composer.cli.commands import up
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row

ROOT = ["-p", "demo", "--progress", "plain"]


def test_detached_asks_once_with_everything() -> None:
    connection = FakeConnection({"up": {"changed": True}})
    argv = ["-d", "--build", "--scale", "web=3", "--scale", "db=0", "-t", "5", "--remove-orphans", "web"]
    assert Stage(connection, [*ROOT, "-f", "x.yaml"]).run(up, argv) == 0
    ((command, arguments),) = connection.asked
    source = arguments.pop("source")
    assert command == "up"
    assert isinstance(source, dict)
    assert (source["files"], source["project_name"]) == (["x.yaml"], "demo")
    assert arguments == {
        "services": ["web"],
        "build": True,
        "no_build": False,
        "force_recreate": False,
        "no_recreate": False,
        "always_recreate_deps": False,
        "no_deps": False,
        "scale": {"web": 3, "db": 0},
        "remove_orphans": True,
        "ignore_orphans": False,
        "parallel": -1,
        "pull": None,
        "renew_volumes": False,
        "attach": [],
        "no_attach": [],
        "attach_dependencies": False,
        "timeout": 5,
        "wait": False,
        "wait_timeout": None,
        "start": True,
        "rows": False,
    }
    assert connection.is_closed


@pytest.mark.parametrize(("changed", "said"), [(True, ""), (False, "nothing to do\n")])
def test_says_when_there_was_nothing_to_do(*, changed: bool, said: str) -> None:
    stage = Stage(FakeConnection({"up": {"changed": changed, "warnings": ["orphan x"]}}), ROOT)
    assert stage.run(up, ["--wait"]) == 0
    assert stage.out.getvalue() == said
    assert stage.err.getvalue() == "warning: orphan x\n"


def test_contradictions_are_refused_before_anything_happens() -> None:
    connection = FakeConnection()
    with pytest.raises(errors.UsageError):
        Stage(connection, ROOT).run(up, ["-d", "--exit-code-from", "web"])
    assert connection.asked == []


def test_attached_shows_output_until_everything_ended(tmp_path: object) -> None:
    del tmp_path
    ended = {"containers": [row("web-1", State="exited", ExitCode=3)]}
    connection = FakeConnection({"up": {"changed": True, **ended}, "ps": ended})
    stage = Stage(connection, ROOT)
    assert stage.run(up, []) == 0
    assert "Attaching to web-1\n" in stage.err.getvalue()
    assert {"up", "events", "ps"} >= {command for command, _ in connection.asked}


@pytest.mark.parametrize(
    "argv",
    [
        ["--force-recreate", "--no-recreate"],
        ["--always-recreate-deps", "--no-recreate"],
        ["--build", "--no-build"],
        ["-d", "--attach", "web"],
        ["--attach", "web", "--attach-dependencies"],
        ["--abort-on-container-exit", "--abort-on-container-failure"],
        ["--wait", "--abort-on-container-failure"],
        ["--watch", "-d"],
    ],
)
def test_what_excludes_each_other(argv: list[str]) -> None:
    connection = FakeConnection()
    with pytest.raises(errors.UsageError):
        Stage(connection, ROOT).run(up, argv)
    assert connection.asked == []


@pytest.mark.parametrize(
    ("variable", "key"),
    [("COMPOSE_REMOVE_ORPHANS", "remove_orphans"), ("COMPOSE_IGNORE_ORPHANS", "ignore_orphans")],
)
def test_variables_stand_for_options(monkeypatch: pytest.MonkeyPatch, variable: str, key: str) -> None:
    monkeypatch.setenv(variable, "true")
    connection = FakeConnection({"up": {"changed": True}})
    Stage(connection, ROOT).run(up, ["-d"])
    assert connection.asked[0][1][key] is True


def test_only_what_is_attached_to_is_named() -> None:
    ended = {"containers": [row("web-1", State="exited"), row("db-1", State="exited")], "attached": ["web"]}
    stage = Stage(FakeConnection({"up": {"changed": True, **ended}, "ps": ended}), ROOT)
    assert stage.run(up, []) == 0
    assert "Attaching to web-1\n" in stage.err.getvalue()
