"""The graph as text: Graphviz dot, Mermaid, JSON.  Pure; sorted, so that equal stacks give equal text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx

    from composer.graph.resources import Node

_SHAPES = {
    "container": "box",
    "image": "component",
    "build": "component",
    "volume": "cylinder",
    "network": "ellipse",
    "material": "note",
}


def dot_of(graph: networkx.DiGraph[Node]) -> str:
    """Graphviz: an arrow points from what needs to what is needed."""
    lines = [f"digraph {_quoted(str(graph.graph.get('name', 'stack')))} {{", "  rankdir=LR;"]
    for kind, name in sorted(graph.nodes):
        label = _quoted(f"{kind}\\n{name}")
        lines.append(f"  {_quoted(f'{kind} {name}')} [shape={_SHAPES[kind]}, label={label}];")
    for needed, node, data in _edges(graph):
        ends = f"{_quoted(' '.join(node))} -> {_quoted(' '.join(needed))}"
        lines.append(f"  {ends} [label={_quoted(data)}];")
    return "\n".join([*lines, "}"]) + "\n"


def mermaid_of(graph: networkx.DiGraph[Node]) -> str:
    """Mermaid flowchart."""
    numbers = {node: f"n{index}" for index, node in enumerate(sorted(graph.nodes))}
    lines = ["flowchart LR"]
    lines += [f'  {numbers[node]}["{_mermaid_text(" ".join(node))}"]' for node in sorted(graph.nodes)]
    lines += [f"  {numbers[node]} -->|{data}| {numbers[needed]}" for needed, node, data in _edges(graph)]
    return "\n".join(lines) + "\n"


def json_of(graph: networkx.DiGraph[Node]) -> str:
    """Nodes and edges as JSON: ``needs`` goes from a node to what it needs."""
    value = {
        "stack": graph.graph.get("name"),
        "nodes": [{"kind": kind, "name": name} for kind, name in sorted(graph.nodes)],
        "needs": [
            {"from": " ".join(node), "to": " ".join(needed), "condition": data}
            for needed, node, data in _edges(graph)
        ],
    }
    return json.dumps(value, indent=2) + "\n"


def _edges(graph: networkx.DiGraph[Node]) -> list[tuple[Node, Node, str]]:
    return sorted((needed, node, str(data["condition"])) for needed, node, data in graph.edges(data=True))


def _quoted(text: str) -> str:
    """A dot string; an escaped line break within stays one."""
    return '"' + text.replace('"', '\\"') + '"'


def _mermaid_text(text: str) -> str:
    """Mermaid ends a label at a quote; an image's name may hold one."""
    return text.replace('"', "#quot;")
