"""``exec`` refuses what cannot be before it enters anything."""

import pytest

from composer import errors
from composer.cli.commands import exec as exec_command
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection, row


def test_a_command_is_needed() -> None:
    with pytest.raises(errors.UsageError, match="needs a command"):
        Stage(FakeConnection(), ["-p", "demo"]).run(exec_command, ["web", "--"])


def test_the_container_must_run() -> None:
    stopped = FakeConnection({"ps": {"containers": [row("web-1", State="exited")]}})
    with pytest.raises(errors.OperationFailed, match="not running"):
        Stage(stopped, ["-p", "demo"]).run(exec_command, ["web", "sh"])
