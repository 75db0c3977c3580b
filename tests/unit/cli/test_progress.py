"""Each mode shows the same events in its own way."""

import io
import json

import pytest

from composer.cli import progress
from composer.model import events
from composer.model.distribution import Transfer, TransferState


def _step(action: str, status: str, **more: object) -> progress.Event:
    return {**events.step("container web-1", action, status, step_id=1), **more}


def _layer(state: TransferState, done: int = 0) -> progress.Event:
    moved = Transfer(digest="sha256:abcdef1234567890", state=state, done=done, total=12_300_000)
    return events.transfer("image app", "pull", moved)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (_step("start", "working"), None),
        (_step("start", "done", elapsed=0.31), "Container web-1 Started 0.3s"),
        (_step("stop", "working"), "Container web-1 Stopping"),
        (_step("wait", "done", elapsed=1.0), "Container web-1 Ready 1.0s"),
        (_step("create", "failed", elapsed=0.0), "Container web-1 Error 0.0s"),
        (_step("create", "skipped"), "Container web-1 Skipped"),
        (_step("build", "progress"), None),
        (events.log("image app", "#1 RUN true"), "#1 RUN true"),
        (_layer(TransferState.TRANSFERRING), None),
        (_layer(TransferState.DONE), "Image app layer abcdef123456 Done 12.3MB"),
        (_layer(TransferState.PRESENT), "Image app layer abcdef123456 Already present 12.3MB"),
        (_layer(TransferState.MOUNTED), "Image app layer abcdef123456 Mounted 12.3MB"),
        (events.message("info", "hello"), "hello"),
        (events.message("warning", "hm"), "warning: hm"),
        (events.container("web-1", "die", identity="x", service="web", attributes={}), None),
    ],
)
def test_plain_lines(event: progress.Event, expected: str | None) -> None:
    assert progress.line_of(event) == expected


def test_plain_escapes_what_builds_print() -> None:
    stream = io.StringIO()
    progress.renderer_for("plain", stream).show(events.log("image app", "\x1b[2Jx"))
    assert stream.getvalue() == "\\x1b[2Jx\n"


def test_json_is_the_event_itself() -> None:
    stream = io.StringIO()
    event = _step("start", "done", elapsed=0.25)
    progress.renderer_for("json", stream).show(event)
    assert json.loads(stream.getvalue()) == event
    assert stream.getvalue().count("\n") == 1


def test_quiet_keeps_warnings_and_errors() -> None:
    stream = io.StringIO()
    renderer = progress.renderer_for("quiet", stream)
    for event in (_step("start", "done"), events.message("info", "no"), events.message("error", "yes")):
        renderer.show(event)
    assert stream.getvalue() == "error: yes\n"


def test_auto_is_plain_where_there_is_no_terminal() -> None:
    assert isinstance(progress.renderer_for("auto", io.StringIO()), progress.Plain)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    assert isinstance(progress.renderer_for("auto", terminal), progress.LiveTable)
    assert isinstance(progress.renderer_for("auto", terminal, ansi="never"), progress.Plain)


def test_the_live_table_ends_with_every_row() -> None:
    stream = io.StringIO()
    now = [0.0]
    table = progress.LiveTable(stream, clock=lambda: now[0])
    table.show(_step("create", "working"))
    now[0] = 2.0
    table.show(_step("create", "done", elapsed=2.0))
    table.show(_step("start", "working"))
    now[0] = 2.5
    table.show(events.message("warning", "slow [disk]"))
    table.show({**_step("start", "failed", elapsed=0.5), "resource": "container db-1"})
    table.close()
    text = stream.getvalue()
    assert "Container web-1" in text
    assert "Starting" in text
    assert "Error" in text
    assert "warning: slow [disk]" in text


def test_a_live_table_without_steps_draws_nothing() -> None:
    stream = io.StringIO()
    table = progress.LiveTable(stream)
    table.close()
    assert stream.getvalue() == ""


def test_the_live_table_shows_layers_until_their_image_is_there() -> None:
    stream = io.StringIO()
    live = progress.LiveTable(stream)
    pulling = {"resource": "image app", "action": "pull", "step_id": 1}
    live.show(events.step(status="working", **pulling))
    live.show(_layer(TransferState.TRANSFERRING, done=6_150_000))
    live.close()
    assert "abcdef123456" in stream.getvalue()
    assert "6.15MB/12.3MB" in stream.getvalue()
    assert "━" * 10 in stream.getvalue()
    stream.truncate(0)
    live.show(events.step(status="done", elapsed=1.0, **pulling))
    live.show(events.step(status="working", resource="image b", action="pull", step_id=2))
    live.close()
    assert "Pulled" in stream.getvalue()
    assert "abcdef123456" not in stream.getvalue()


def test_verbose_tells_when_a_step_begins_and_why() -> None:
    out = io.StringIO()
    renderer = progress.renderer_for("auto", out, is_verbose=True)
    renderer.show(events.step("container web-1", "start", "working", step_id=1, text="it was stopped"))
    renderer.show(events.step("container web-1", "start", "done", step_id=1, elapsed=0.25))
    assert out.getvalue() == "Container web-1 Starting (it was stopped)\nContainer web-1 Started 0.2s\n"
