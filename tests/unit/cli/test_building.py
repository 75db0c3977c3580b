"""What commands show of builds and checks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from composer.cli import building
from composer.model.protocols import BuildRequest


class _Checker:
    """Has something to say of some Dockerfiles."""

    def __init__(self, texts: dict[str, list[str]]) -> None:
        self.texts = texts

    def check(self, request: BuildRequest, interrupt: object) -> list[str]:
        del interrupt
        return self.texts.get(request.dockerfile, [])


@pytest.mark.parametrize(
    ("texts", "code", "said"),
    [
        ({}, 0, ["Check complete, no warnings found."]),
        ({"a": ["one\ntwo"]}, 1, ["one\ntwo", "", "Check complete, 1 warning has been found!"]),
        (
            {"a": ["A"], "b": ["B", "C"]},
            1,
            ["A", "", "B", "", "C", "", "Check complete, 3 warnings have been found!"],
        ),
        ({"a": ["x\x1b[2J"]}, 1, ["x\\x1b[2J", "", "Check complete, 1 warning has been found!"]),
    ],
)
def test_check_says_all_and_fails_when_there_is_any(
    texts: dict[str, list[str]], code: int, said: list[str]
) -> None:
    lines: list[str] = []
    session = SimpleNamespace(say=lines.append, drivers=lambda: SimpleNamespace(builder=_Checker(texts)))
    requests = [(name, BuildRequest(context=Path("/c"), dockerfile=name)) for name in ("a", "b")]
    assert building.check(session, requests) == code  # type: ignore[arg-type]
    assert lines == said
