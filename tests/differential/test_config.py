"""``config`` beside Docker Compose's, on cases that no corpus has.

``config_cases.json`` holds cases written by hand while rules were being looked for; two matrices are
made here: every attribute with many values, and every attribute merged with itself, extended, reset
and overridden.  Of the matrices a seeded sample is asked; ``COMPOSER_ORACLE_CASES=all`` asks all.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from composer.stackfile import attributes
from composer.stackfile.shape import List, Map, Shape, Struct
from tests.differential import oracle

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not oracle.is_there(), reason="no docker-compose: .ci/setup --peers installs one"),
]

HERE = Path(__file__).parent
REST = """
networks: {n: , default: , m: }
models: {a: {model: q}, m: {model: q}, k: {model: z}}
configs: {a: {content: y}, c: {content: x}, d: {content: y}}
secrets: {a: {file: f}, s: {file: f}, t: {file: f}}
volumes: {a: , vv: , ww: }
"""
BESIDE = {"a": "x", "f": "s", "e1.env": "A=1\nB=2\n", "e2.env": "A=3\nC=$A\n"}
VALUES = [
    "a",
    '"1"',
    "1",
    "-1",
    "1.5",
    "true",
    "null",
    "[]",
    "[1]",
    "[a]",
    "[true]",
    "{}",
    '"10s"',
    "[null]",
    "[[]]",
    "[{}]",
    '"5m"',
    "0",
    '""',
    '"0"',
    "1e3",
]
VALUES += [
    "{a: b}",
    "{a: null}",
    "{a: 1}",
    "{a: true}",
    "{a: [1]}",
    '"a=b"',
    '["a=b", "c"]',
    "{a: 1.0, x-b: 2}",
]


def sample(cases: list[tuple[str, ...]], count: int) -> list[tuple[str, ...]]:
    if os.environ.get("COMPOSER_ORACLE_CASES") == "all":
        return cases
    return random.Random(4).sample(cases, count)


def shown(found: list[tuple[oracle.Case, str]]) -> str:
    return "\n\n".join(f"{' || '.join(case)}\n  {how}" for case, how in found)


def written(shape: Shape, key: str, value: str) -> list[str]:
    """An attribute and everything below it, each with a value."""
    inner = []
    if isinstance(shape, Struct):
        inner = [text for name, field in shape.fields.items() for text in written(field, name, value)]
        return [f"{key}: {value}", *(f"{key}: {{{text}}}" for text in inner)]
    if isinstance(shape, List):
        return [f"{key}: {value}", *(f"{key}: [{text}]" for text in _items(shape.item, value))]
    if isinstance(shape, Map):
        return [f"{key}: {value}", *(f"{key}: {{a: {text}}}" for text in _items(shape.item, value))]
    return [f"{key}: {value}"]


def _items(shape: Shape, value: str) -> list[str]:
    if isinstance(shape, Struct):
        return [f"{{{text}}}" for name, field in shape.fields.items() for text in written(field, name, value)]
    return []


def test_cases_written_by_hand(tmp_path: Path) -> None:
    data = json.loads((HERE / "config_cases.json").read_text())
    found = list(oracle.differences([tuple(case) for case in data["cases"]], tmp_path, data["files"]))
    known = {tuple(case) for case in data["deliberate"]}  # reasons: docs/compatibility.md
    assert {tuple(case) for case, _ in found} == known, shown(found)


def test_every_attribute_with_many_values(tmp_path: Path) -> None:
    cases = [
        (f"services: {{a: {{image: x, {text}}}, b: {{image: z}}}}{REST}",)
        for name, shape in attributes.SERVICE.fields.items()
        if name != "image"
        for value in VALUES
        for text in written(shape, name, value)
    ]
    found = list(oracle.differences(sample(cases, 250), tmp_path, BESIDE))
    assert not found, shown(found)


def test_every_attribute_over_itself(tmp_path: Path) -> None:
    values: dict[str, list[str]] = json.loads((HERE / "merge_values.json").read_text())
    cases: list[tuple[str, ...]] = []
    for name, forms in values.items():
        for one in forms:
            base = f"services: {{a: {{image: x, {name}: {one}}}, b: {{image: z}}}}{REST}"
            for other in forms:
                if name != "image":
                    cases.append((base, f"services: {{a: {{{name}: {other}}}}}"))
                text = f"services: {{a: {{extends: c, {name}: {other}}}, c: {{image: x, {name}: {one}}}, b: {{image: z}}}}"
                cases.append((text + REST,))
            cases.append((base, f"services: {{a: {{{name}: !reset {one}}}}}"))
            if one != "null":  # of which Docker Compose makes the text "null" (docs/compatibility.md)
                cases.append((base, f"services: {{a: {{{name}: !override {one}}}}}"))
    found = list(oracle.differences(sample(cases, 250), tmp_path, BESIDE))
    assert not found, shown(found)
