"""What is active, and what of the rest of the file that needs."""

from __future__ import annotations

import pytest

from composer.stackfile import selection
from composer.stackfile.tree import plain, section
from tests.unit.stackfile.trees import tree

FILE = """
services:
  web: {image: w, networks: {front: }, depends_on: {db: {condition: service_started}}}
  db: {image: d, volumes: [{type: volume, source: data, target: /d}], secrets: [{source: key}]}
  debug: {image: g, profiles: [debug], networks: {back: }, depends_on: {tool: {condition: service_started}}}
  tool: {image: t, profiles: [debug, tools], configs: [{source: settings}]}
networks: {front: {}, back: {}, idle: {}}
volumes: {data: {}, other: {}}
secrets: {key: {environment: K}}
configs: {settings: {content: x}}
x-note: kept
"""


@pytest.mark.parametrize(
    ("profiles", "named", "expected"),
    [
        ([], [], {"web", "db"}),
        (["debug"], [], {"web", "db", "debug", "tool"}),
        (["tools"], [], {"web", "db", "tool"}),
        (["*"], [], {"web", "db", "debug", "tool"}),
        ([], ["tool"], {"web", "db", "debug", "tool"}),
        (["nobody"], [], {"web", "db"}),
    ],
)
def test_active(profiles: list[str], named: list[str], expected: set[str]) -> None:
    assert selection.active_services(tree(FILE), profiles, named) == expected


def test_dependencies_come_along() -> None:
    services = section(tree(FILE), "services")
    assert selection.with_dependencies(services, ["web"]) == {"web", "db"}
    assert selection.with_dependencies(services, ["debug", "nobody"]) == {"debug", "tool"}


def test_only_what_is_used_stays() -> None:
    found = plain(selection.selected(tree(FILE), frozenset({"web", "db"})))
    assert isinstance(found, dict)
    assert {key: sorted(value) if isinstance(value, dict) else value for key, value in found.items()} == {
        "services": ["db", "web"], "networks": ["front"], "volumes": ["data"], "secrets": ["key"], "x-note": "kept",
    }  # fmt: skip


def test_profiles_and_variables() -> None:
    assert selection.profiles_in(tree(FILE)) == ["debug", "tools"]
    uses = selection.variables_in(tree("a: ${B:-1}${A}\nb: ['${B:?x}', '${C:+y}', $$D]"))
    assert [(use.name, use.required, use.default, use.alternate) for use in uses] == [
        ("A", False, "", ""), ("B", True, "1", ""), ("C", False, "", "y"),
    ]  # fmt: skip
