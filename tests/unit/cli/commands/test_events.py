"""``events`` as docker prints them."""

import json

import pytest

from composer import errors
from composer.cli.commands import events
from composer.model import events as model
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection


def _event(service: str) -> dict[str, object]:
    value = model.container(
        f"{service}-1", "die", identity="abc", service=service, attributes={"exitCode": "1"}
    )
    return {**value, "time": 1795456801.25}


def test_json_has_docker_composes_keys() -> None:
    told = [_event("web"), model.message("info", "not an event"), _event("db")]
    stage = Stage(
        FakeConnection({"events": errors.OperationFailed("died")}, {"events": told}), ["-p", "demo"]
    )
    assert stage.run(events, ["--json", "web"]) == 0
    assert [json.loads(line) for line in stage.out.getvalue().splitlines()] == [
        {
            "time": "2026-11-23T18:00:01.250000Z",
            "type": "container",
            "service": "web",
            "id": "abc",
            "action": "die",
            "attributes": {"exitCode": "1"},
        }
    ]


def test_text() -> None:
    assert events.line_of(_event("web")).endswith(".250000 container die abc (exitCode=1)")


def test_a_stack_that_is_not_up() -> None:
    with pytest.raises(errors.UsageError, match="demo is not up"):
        Stage(None, ["-p", "demo"]).run(events, [])
