"""A request shows its events, and a signal cancels it."""

import os
import signal

import pytest

from composer import errors
from composer.cli import request
from composer.model import events
from tests.fakes.command_line import Stage
from tests.fakes.supervisor import FakeConnection


def test_shows_events_and_returns_the_answer() -> None:
    step = events.step("container web-1", "start", "done", step_id=1, elapsed=0.5)
    connection = FakeConnection({"up": {"changed": True}}, {"up": [step]})
    stage = Stage(connection, ["--progress", "plain"])
    assert request.perform(stage.session, connection, "up", {}) == {"changed": True}  # type: ignore[arg-type]
    assert stage.err.getvalue() == "Container web-1 Started 0.5s\n"
    assert stage.out.getvalue() == ""


class _Interrupted(FakeConnection):
    """Gets signals while it is asked."""

    signals = 1

    def call(self, command: str, arguments: dict[str, object], on_event: object = None) -> dict[str, object]:
        del command, arguments, on_event
        for _ in range(self.signals):
            os.kill(os.getpid(), signal.SIGINT)
        message = "stopped on request"
        raise errors.Interrupted(message)


def test_the_first_signal_cancels_and_waits_for_the_answer() -> None:
    connection = _Interrupted()
    stage = Stage(connection, [])
    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(errors.Interrupted):
        request.perform(stage.session, connection, "up", {})  # type: ignore[arg-type]
    assert connection.is_cancelled
    assert signal.getsignal(signal.SIGINT) is former


def test_the_second_signal_leaves_at_once() -> None:
    connection = _Interrupted()
    connection.signals = 2
    with pytest.raises(KeyboardInterrupt):
        request.perform(Stage(connection, []).session, connection, "up", {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "out", "err"),
    [("plain", "nothing to do\n", ""), ("quiet", "", ""), ("json", "", '"text":"nothing')],
)
def test_nothing_to_do(mode: str, out: str, err: str) -> None:
    stage = Stage(None, ["--progress", mode])
    request.say_nothing_to_do(stage.session)
    assert stage.out.getvalue() == out
    assert err in stage.err.getvalue()
