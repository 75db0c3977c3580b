"""YAML as Compose reads it: scalars, merge keys, tags, places."""

from __future__ import annotations

import math

import pytest

from composer import errors
from composer.stackfile import yamltree
from composer.stackfile.tree import Timestamp, plain
from tests.unit.stackfile.trees import data, tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("on", "on"), ("no", "no"), ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
        ("12", 12), ("0o17", 15), ("017", 15), ("0x1F", 31), ("0b101", 5), ("1_000", 1000), ("-5", -5), ("22:22", "22:22"),
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), (".inf", math.inf), ("08", 8.0), ("1.2.3", "1.2.3"), ('"12"', "12"),
        ("'it''s'", "it's"), ('"a\\tb"', "a\tb"), ("!!str 5", "5"), ("=", "="), ("a: b", {"a": "b"}), ("[1, a]", [1, "a"]),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    found = data(f"x: {text}" if ": " not in text else f"x: {{{text}}}")
    assert found == {"x": value}
    assert type(found["x"]) is type(value)  # type: ignore[index]


def test_dates_are_told_from_text() -> None:
    node = tree("a: 2024-01-02\nb: '2024-01-02'").child("a")
    assert node is not None
    assert isinstance(node.value, Timestamp)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a {x: 1}\nb: *a", {"a": {"x": 1}, "b": {"x": 1}}),
        ("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}", {"a": {"x": 1, "y": 1}, "b": {"x": 1, "y": 2}}),
        (
            "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}",
            {"a": {"x": 1}, "b": {"x": 2, "z": 3}, "c": {"x": 1, "z": 3}},
        ),
        ("a: &a [1]\nb: [*a, *a]", {"a": [1], "b": [[1], [1]]}),
        ('{"a": 1}', {"a": 1}),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("a: >-\n  x\n  y\n", {"a": "x y"}),
    ],
)
def test_anchors_and_styles(text: str, value: object) -> None:
    assert data(text) == value


def test_aliases_are_not_shared() -> None:
    """An override of one place must not change the other."""
    root = tree("a: &a {x: 1}\nb: *a")
    first, second = root.child("a"), root.child("b")
    assert first is not None
    assert second is not None
    assert first.value is not second.value


def test_places_and_keys() -> None:
    root = tree("services:\n  web:\n    ports:\n      - 80\n")
    web = root.value["services"].value["web"]  # type: ignore[index, union-attr, call-overload]
    port = web.value["ports"].value[0]
    assert (port.place.line, port.place.column) == (4, 9)
    assert (web.key.line, web.key.column) == (2, 3)


def test_documents_and_tags() -> None:
    first, second = yamltree.read_documents(b"a: 1\n---\na: !override [2]\nb: !reset null\n", "f")
    assert plain(first) == {"a": 1}
    assert [(key, node.override) for key, node in second.entries()] == [("a", "override"), ("b", "reset")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "already defined at line 1"),
        ("a: *b", "names no anchor"),
        ("a: !x 1", "unknown tag"),
        ("? [a]\n: 1", "a key must be a plain word"),
        ("1: a", "the key 1 is not text"),
        ("a: [", "invalid YAML"),
        ("<<: 5\na: 1", "must name a mapping"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(errors.StackFileError, match=said):
        data(text)
