"""The rules of overriding, as pure functions over trees: what, with what, gives what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.stackfile import merge
from composer.stackfile.tree import Node, Place, at, plain
from tests.unit.stackfile.trees import data, tree

ROWS = [
    ("image: a", "image: b", "image: b"),
    ("image: a", "user: u", "image: a\nuser: u"),
    ("command: [a, b]", "command: [c]", "command: [c]"),
    ("entrypoint: [a]", "entrypoint: [c]", "entrypoint: [c]"),
    ("ports: ['1:1']", "ports: ['2:2']", "ports: ['1:1', '2:2']"),
    ("cap_add: [A]", "cap_add: [B]", "cap_add: [A, B]"),
    ("healthcheck: {test: [CMD, a]}", "healthcheck: {test: [CMD, b]}", "healthcheck: {test: [CMD, b]}"),
    ("healthcheck: {retries: 1}", "healthcheck: {interval: 2s}", "healthcheck: {retries: 1, interval: 2s}"),
    ("environment: {A: 1}", "environment: {A: 2}", "environment: [A=1, A=2]"),  # unicity takes the last
    ("build: .", "build: {target: t}", "build: {context: ., target: t}"),
    ("ulimits: {nofile: {soft: 1, hard: 2}}", "ulimits: {nofile: 5}", "ulimits: {nofile: 5}"),
    ("logging: {driver: a, options: {x: 1}}", "logging: {driver: b, options: {y: 2}}", "logging: {driver: b, options: {y: 2}}"),
    ("logging: {driver: a, options: {x: 1}}", "logging: {options: {y: 2}}", "logging: {driver: a, options: {x: 1, y: 2}}"),
    ("networks: [a]", "networks: {b: {aliases: [x]}}", "networks: {a: , b: {aliases: [x]}}"),
    ("x-a: {b: 1}", "x-a: {c: 2}", "x-a: {b: 1, c: 2}"),
    ("image: a\nuser: u", "user: !reset null", "image: a"),
    ("ports: ['1:1']", "ports: !override ['2:2']", "ports: ['2:2']"),
    ("deploy: {replicas: 1}", "deploy: !reset {}", "{}"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "override", "expected"), ROWS)
def test_services(base: str, override: str, expected: str) -> None:
    problems: list[object] = []
    both = [
        tree(f"services:\n  a:\n    {text.replace(chr(10), chr(10) + '    ')}") for text in (base, override)
    ]
    found = merge.without_resets(merge.merged(both[0], both[1], (), problems))  # type: ignore[arg-type]
    assert problems == []
    assert plain(at(found, ("services", "a"))) == data(expected)


def test_kinds_that_do_not_fit_are_a_problem() -> None:
    problems: list[object] = []
    merge.merged(tree("services: {a: {x-a: [1]}}"), tree("services: {a: {x-a: {b: 1}}}"), (), problems)  # type: ignore[arg-type]
    assert len(problems) == 1


def test_what_was_replaced_is_remembered() -> None:
    found = merge.merged(
        tree("services: {a: {image: x}}", "one"), tree("services: {a: {image: y}}", "two"), (), []
    )
    node = at(found, ("services", "a", "image"))
    assert (node.value, node.place.file) == ("y", "two")
    assert node.former is not None
    assert (node.former.value, node.former.place.file) == ("x", "one")


# ------------------------------------------------------------------ properties

WORDS = st.text("abc", min_size=1, max_size=2)
PLAIN = st.recursive(
    WORDS | st.integers(0, 3), lambda inner: st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
TREES = st.dictionaries(WORDS.map(lambda word: f"x-{word}"), PLAIN, max_size=3)


def as_tree(value: object) -> Node:
    place = Place("f", 1, 1)
    if isinstance(value, dict):
        return Node({key: as_tree(child) for key, child in value.items()}, place)
    return Node(value, place)  # type: ignore[arg-type]


def over(base: object, override: object) -> object:
    return plain(merge.merged(as_tree(base), as_tree(override), (), []))


@given(TREES)
def test_a_file_over_itself_is_itself(value: object) -> None:
    assert over(value, value) == value


@given(TREES)
def test_nothing_over_a_file_and_a_file_over_nothing(value: object) -> None:
    assert over(value, {}) == over({}, value) == value


@given(TREES, TREES)
def test_the_override_has_the_last_word(base: dict[str, object], override: dict[str, object]) -> None:
    """Every single value of the override is in the result."""

    def check(wanted: object, found: object) -> None:
        if isinstance(wanted, dict) and isinstance(found, dict):
            for key, child in wanted.items():
                check(child, found[key])
        elif not isinstance(wanted, dict):
            assert found == wanted

    problems: list[object] = []
    found = plain(merge.merged(as_tree(base), as_tree(override), (), problems))  # type: ignore[arg-type]
    if not problems:
        check(override, found)
