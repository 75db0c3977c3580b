"""Lists that hold a thing once: what makes two entries the same, as a table."""

from __future__ import annotations

import pytest

from composer.stackfile import unicity
from composer.stackfile.tree import at, plain
from tests.unit.stackfile.trees import data, tree


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("environment: [A=1, B=2, A=3]", "environment: [A=3, B=2]"),
        ("expose: [80, '80']", "expose: ['80']"),
        ("ports: [80, '80', '81']", "ports: ['80', '81']"),
        ("ports: [{target: 80, published: 1}, {target: 80, published: 2}]", "ports: [{target: 80, published: 1}, {target: 80, published: 2}]"),
        ("ports: [{target: 80}, {target: 80, protocol: tcp}]", "ports: [{target: 80, protocol: tcp}]"),
        ("ports: [{target: 80}, {target: 80, protocol: udp}]", "ports: [{target: 80}, {target: 80, protocol: udp}]"),
        ("volumes: ['a:/x', 'b:/y', 'c:/x:ro']", "volumes: ['c:/x:ro', 'b:/y']"),
        ("devices: ['/dev/a:/dev/x', '/dev/b:/dev/x']", "devices: ['/dev/b:/dev/x']"),
        ("secrets: [a, {source: b, target: a}, a]", "secrets: [a, {source: b, target: a}]"),
        ("secrets: [a, {source: b, target: /run/secrets/a}]", "secrets: [{source: b, target: /run/secrets/a}]"),
        ("profiles: [a, b, a]", "profiles: [a, b]"),
        ("command: [a, a]", "command: [a, a]"),
        ("volumes_from: [a, a]", "volumes_from: [a, a]"),
    ],
)  # fmt: skip
def test_entries(written: str, expected: str) -> None:
    root = tree(f"services: {{a: {{{written}}}}}")
    assert unicity.enforce(root) == []
    assert plain(at(root, ("services", "a"))) == data(expected)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("ports: [{published: 80}]", "the port has no target"),
        ("volumes: [{type: bind}]", "the mount has no target"),
        ("environment: [5]", "expected text, found 5 (put it in quotes)"),
        ("environment: [{A: b}]", "expected text, found a mapping"),
        ("environment: [[A]]", "expected text, found a list"),
        ("environment: [null]", "expected text, found nothing"),
    ],
)
def test_entries_that_cannot_be_told_apart(written: str, said: str) -> None:
    assert [problem.message for problem in unicity.enforce(tree(f"services: {{a: {{{written}}}}}"))] == [said]


def test_the_one_that_went_is_remembered() -> None:
    root = tree("services: {a: {environment: [A=1, A=2]}}")
    unicity.enforce(root)
    (node,) = at(root, ("services", "a", "environment")).items()
    assert node.former is not None
    assert node.former.value == "A=1"
