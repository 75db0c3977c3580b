from __future__ import annotations

import io

from composer.cli import buildprogress, progress
from composer.cli.buildprogress import LiveSteps
from composer.model import events
from composer.model.protocols import StepReport, StepState


def event(
    number: int, state: StepState, *, line: str | None = None, elapsed: float = 0.0
) -> dict[str, object]:
    report = StepReport(number=number, title=f"[{number}/2] STEP", state=state, line=line, elapsed=elapsed)
    return events.build("image app", report, f"#{number} text")


def test_every_step_is_on_the_screen_at_the_end() -> None:
    stream = io.StringIO()
    live = LiveSteps(stream, clock=lambda: 7.0)
    live.show(event(0, StepState.WORKING, line="a note"))
    live.show(event(1, StepState.WORKING))
    live.show(event(2, StepState.WORKING, line="output\x1b[31m of a step"))
    live.show(event(1, StepState.CACHED))
    live.show(event(2, StepState.FAILED, line="it broke", elapsed=2.5))
    live.close()
    said = stream.getvalue()
    assert "#0 text" in said
    assert "[+] Building 0.0s (2/2)" in said
    assert "=> CACHED [1/2] STEP" in said
    assert "=> ERROR [2/2] STEP" in said
    assert "2.5s" in said
    assert "\x1b[31m of" not in said


def test_plain_lines_and_json_are_those_of_every_command() -> None:
    stream = io.StringIO()
    assert isinstance(buildprogress.renderer_for("auto", stream), progress.Plain)
    assert isinstance(buildprogress.renderer_for("json", stream), progress.JsonLines)
    assert isinstance(buildprogress.renderer_for("tty", stream), LiveSteps)
    buildprogress.renderer_for("plain", stream).show(event(1, StepState.DONE))
    assert stream.getvalue() == "#1 text\n"
