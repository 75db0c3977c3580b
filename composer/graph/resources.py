"""A stack as a ``networkx`` graph of images, volumes, networks and containers.

Nodes are ``(kind, name)``; an edge goes from what is needed to what needs it and carries the
condition: ``created``, ``built``, ``service_started``, ``service_healthy``, ...  The planner works on
services directly (its order must be cheap); this graph is what people and tools look at, and what
proves, at load time of ``composer graph``, that the whole is acyclic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.model import names

if TYPE_CHECKING:
    import networkx

    from composer.model.stack import Service, Stack

Node = tuple[str, str]

IMAGE, BUILD, VOLUME, NETWORK, CONTAINER, MATERIAL = (
    "image", "build", "volume", "network", "container", "material",
)  # fmt: skip


def graph_of(stack: Stack) -> networkx.DiGraph[Node]:
    """The graph of everything that the active services need."""
    import networkx  # 200 ms; only where a graph is wanted

    graph: networkx.DiGraph[Node] = networkx.DiGraph(name=stack.name)
    for name, service in sorted(stack.services.items()):
        for number in range(1, service.replicas + 1):
            _add_container(graph, stack, service, (CONTAINER, names.container_name(stack.name, name, number)))
    return graph


def _add_container(graph: networkx.DiGraph[Node], stack: Stack, service: Service, node: Node) -> None:
    graph.add_node(node, service=service.name)
    reference = service.image or names.built_image_name(stack.name, service.name)
    kind = IMAGE if service.build is None else BUILD
    graph.add_edge((kind, reference), node, condition="pulled" if kind == IMAGE else "built")
    for key in sorted(service.networks):
        graph.add_edge((NETWORK, stack.networks[key].name), node, condition="created")
    for mount in service.mounts:
        if mount.kind.value == "volume" and mount.source:
            graph.add_edge((VOLUME, stack.volumes[mount.source].name), node, condition="created")
    # A config and a secret may have the same key and yet be two things.
    for kind, grants, definitions in (
        ("config", service.configs, stack.configs),
        ("secret", service.secrets, stack.secrets),
    ):
        for grant in grants:
            name = f"{kind} {definitions[grant.source].name}"
            graph.add_edge((MATERIAL, name), node, condition="read")
    for needed, dependency in sorted(service.depends_on.items()):
        other = stack.services.get(needed)
        for number in range(1, (other.replicas if other else 0) + 1):
            source = (CONTAINER, names.container_name(stack.name, needed, number))
            graph.add_edge(source, node, condition=dependency.condition.value)
