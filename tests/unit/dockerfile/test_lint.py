"""Which checks count, what they do to a build, and how findings are shown."""

from __future__ import annotations

import re

import pytest

from composer import errors
from composer.dockerfile import lint, parser

CMD = "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"


def reviewed(text: str, **arguments: str) -> lint.Review:
    return lint.review(parser.parse(text), arguments=arguments)


@pytest.mark.parametrize(
    ("directive", "left"),
    [
        ("", ["JSONArgsRecommended", "WorkdirRelativePath"]),
        ("# check=skip=JSONArgsRecommended", ["WorkdirRelativePath"]),
        ("# check=skip=JSONArgsRecommended, WorkdirRelativePath", []),
        ("# check=skip=all", []),
        ("# syntax=docker/dockerfile:1\n# check=skip=all;error=true", []),
        ("# check=error=false", ["JSONArgsRecommended", "WorkdirRelativePath"]),
        ("# a comment\n# check=skip=all", ["JSONArgsRecommended", "WorkdirRelativePath"]),
    ],
)
def test_the_directive_chooses(directive: str, left: list[str]) -> None:
    found = reviewed(f"{directive}\nFROM base\nCMD x\nWORKDIR y\n")
    assert [one.rule for one in found.findings] == left
    assert found.failure == ""


def test_findings_fail_the_build_when_the_directive_says_so() -> None:
    text = "# check=error=true\nFROM base\nCMD x\nCMD y\nWORKDIR z\n"
    assert reviewed(text).failure == (
        "lint violation found for rules: "
        "JSONArgsRecommended, MultipleInstructionsDisallowed, WorkdirRelativePath"
    )
    assert reviewed(text, BUILDKIT_DOCKERFILE_CHECK="skip=all").failure == ""


@pytest.mark.parametrize("directive", ["nothing", "skip", "error=maybe", "colour=red", "skip=A;x"])
def test_a_directive_that_says_something_else_is_refused(directive: str) -> None:
    with pytest.raises(errors.BuildError, match=re.escape("Dockerfile: invalid check option")):
        reviewed(f"# check={directive}\nFROM base\n")


def test_how_findings_are_shown() -> None:
    review = reviewed("FROM base\nRUN a\nRUN b\nCMD x \\\n  y\nUSER u\nUSER v\nUSER w\n")
    (text,) = review.details()
    assert text.splitlines() == [
        "WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/",
        "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
        "Dockerfile:4",
        "--------------------",
        "   2 |     RUN a",
        "   3 |     RUN b",
        "   4 | >>> CMD x \\",
        "   5 | >>>   y",
        "   6 |     USER u",
        "   7 |     USER v",
        "--------------------",
    ]
    assert list(review.summary()) == [
        "1 warning found (use --check to see the lines):",
        f" - JSONArgsRecommended: {CMD} (line 4)",
    ]
    assert list(reviewed("FROM base\n").summary()) == []
