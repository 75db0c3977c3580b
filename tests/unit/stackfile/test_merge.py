"""Override rules: what is added to, what is replaced, what is taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.model.stack import Service
from composer.stackfile.load import LoadRequest, load_stack

BASE = "services: {a: {image: x, %s}}\n"
OVER = "services: {a: {%s}}\n"


def merged(directory: Path, base: str, override: str) -> Service:
    (directory / "one.env").write_text("A=1\nB=1\n")
    (directory / "two.env").write_text("B=2\n")
    (directory / "compose.yaml").write_text(BASE % base)
    (directory / "compose.override.yaml").write_text(OVER % override)
    return load_stack(LoadRequest(directory=str(directory))).stack.services["a"]


@pytest.mark.parametrize(
    ("base", "override", "field", "expected"),
    [
        ("env_file: one.env", "env_file: [two.env]", "environment", {"A": "1", "B": "2"}),
        ("environment: [A=1]", "environment: {B: 2}", "environment", {"A": "1", "B": "2"}),
        ("cap_add: [A, B]", "cap_add: [B, C]", "cap_add", ("A", "B", "C")),
        ("command: a b", "command: [c]", "command", ("c",)),
        ("user: one", "user: two", "user", "two"),
        ("user: one", "init: true", "user", "one"),
        ("hostname: h", "hostname: !reset null", "hostname", None),
        ("ports: ['1:1']", "ports: !reset null", "ports", ()),
        ("cap_add: [A, B]", "cap_add: !override [C]", "cap_add", ("C",)),
        ("labels: [a=1]", "labels: {a: 2, b: 3}", "labels", {"a": "2", "b": "3"}),
    ],
)  # fmt: skip
def test_fields(tmp_path: Path, base: str, override: str, field: str, expected: object) -> None:
    assert getattr(merged(tmp_path, base, override), field) == expected


def test_long_lists_are_merged_in_linear_time(tmp_path: Path) -> None:
    """20 000 comparisons of 20 000 items each took 20 seconds."""

    def ports(first: int) -> str:
        return ", ".join(f'"{n}:{n}"' for n in range(first, first + 4000))

    service = merged(tmp_path, f"ports: [{ports(1)}]", f"ports: [{ports(3001)}]")
    assert len(service.ports) == 7000
