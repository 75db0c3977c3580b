"""``create`` and ``scale``: an ``up`` with less."""

import pytest

from composer import errors
from composer.cli.commands import create, scale
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection


def test_create_starts_nothing() -> None:
    connection = FakeConnection({"up": {"changed": True}})
    assert Stage(connection, ["-p", "demo"]).run(create, ["--no-build", "--pull", "never", "web"]) == 0
    ((command, arguments),) = connection.asked
    assert command == "up"
    expected = {"start": False, "no_build": True, "pull": "never", "services": ["web"]}
    assert arguments.items() >= expected.items()


def test_scale_names_the_services() -> None:
    connection = FakeConnection({"up": {"changed": False}})
    stage = Stage(connection, ["-p", "demo"])
    assert stage.run(scale, ["--no-deps", "web=3", "db=0"]) == 0
    expected = {"services": ["web", "db"], "scale": {"web": 3, "db": 0}, "no_deps": True}
    assert connection.asked[0][1].items() >= expected.items()
    assert stage.out.getvalue() == "nothing to do\n"


@pytest.mark.parametrize("argv", [[], ["web"], ["web=x"], ["=3"]])
def test_scale_needs_numbers(argv: list[str]) -> None:
    with pytest.raises(errors.UsageError):
        Stage(FakeConnection(), ["-p", "demo"]).run(scale, argv)
