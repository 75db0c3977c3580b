"""The three notations of a graph: the same nodes and edges in each, and equal text for equal stacks."""

from __future__ import annotations

import json

import pytest

from composer.graph import render
from composer.graph.resources import graph_of
from composer.model.stack import Dependency, Service, Stack

B = Service(name="b", image='odd"name')
A = Service(name="a", image="x", depends_on={"b": Dependency()})


def stack_of(*services: Service) -> Stack:
    return Stack(name="s", directory="/", files=(), services={s.name: s for s in services})


def test_json_has_every_edge() -> None:
    value = json.loads(render.json_of(graph_of(stack_of(A, B))))
    assert value["stack"] == "s"
    assert {"from": "container s-a-1", "to": "container s-b-1", "condition": "service_started"} in value[
        "needs"
    ]
    assert len(value["nodes"]) == 4


def test_dot_points_to_what_is_needed_and_escapes() -> None:
    text = render.dot_of(graph_of(stack_of(A, B)))
    assert '"container s-a-1" -> "container s-b-1" [label="service_started"];' in text
    assert 'odd\\"name' in text
    assert text.startswith('digraph "s" {')
    assert text.endswith("}\n")


def test_mermaid_numbers_its_nodes() -> None:
    lines = render.mermaid_of(graph_of(stack_of(A, B))).splitlines()
    assert lines[0] == "flowchart LR"
    names = {line.strip().partition("[")[2]: line.strip().partition("[")[0] for line in lines if "[" in line}
    started = f"{names[chr(34) + 'container s-a-1' + chr(34) + ']']} -->|service_started| "
    assert any(line.strip().startswith(started) for line in lines)
    assert sum(line.count('"') for line in lines) == 2 * 4


@pytest.mark.parametrize("notation", [render.dot_of, render.mermaid_of, render.json_of])
def test_the_order_of_services_does_not_matter(notation: object) -> None:
    assert callable(notation)
    assert notation(graph_of(stack_of(A, B))) == notation(graph_of(stack_of(B, A)))
