"""Nothing that a container says drives the terminal."""

import io

import pytest

from composer.cli import terminal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünïcode\ttab", "plain ünïcode\ttab"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("over\rwritten\b", "over\\x0dwritten\\x08"),
        ("c1\x9b2J", "c1\\x9b2J"),
        ("\u202eesrever", "\\u202eesrever"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_control_characters_become_visible(text: str, expected: str) -> None:
    assert terminal.harmless(text) == expected


@pytest.mark.parametrize(("ansi", "expected"), [("always", True), ("never", False), ("auto", False)])
def test_colour_for_a_stream_that_is_no_terminal(ansi: str, *, expected: bool) -> None:
    assert terminal.uses_colour(io.StringIO(), ansi) is expected


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    assert terminal.uses_colour(stream, "auto")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.uses_colour(stream, "auto")
    assert terminal.uses_colour(stream, "always")


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not terminal.is_terminal(stream)
