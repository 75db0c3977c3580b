"""A stack as a graph: which nodes there are, and on which condition each edge stands."""

from __future__ import annotations

import networkx
import pytest

from composer.graph.resources import graph_of
from composer.model.build import Build
from composer.model.stack import (
    Attachment,
    Condition,
    Dependency,
    FileDefinition,
    FileGrant,
    Mount,
    MountKind,
    NetworkDefinition,
    Service,
    Stack,
    VolumeDefinition,
)


def stack_of(*services: Service) -> Stack:
    return Stack(
        name="s",
        directory="/d",
        files=(),
        services={service.name: service for service in services},
        networks={"back": NetworkDefinition(key="back", name="s_back")},
        volumes={"data": VolumeDefinition(key="data", name="shared")},
        configs={"key": FileDefinition(key="key", name="s_key", content=b"1")},
        secrets={"key": FileDefinition(key="key", name="s_key", content=b"2")},
    )


WEB = Service(
    name="web",
    build=Build(context="/d"),
    replicas=2,
    networks={"back": Attachment()},
    depends_on={"db": Dependency(condition=Condition.HEALTHY)},
    configs=(FileGrant(source="key", target="/key"),),
    secrets=(FileGrant(source="key", target="/run/secrets/key"),),
)
DB = Service(
    name="db",
    image="postgres",
    mounts=(
        Mount(kind=MountKind.VOLUME, source="data", target="/data"),
        Mount(kind=MountKind.VOLUME, target="/anonymous"),
        Mount(kind=MountKind.BIND, source="/etc", target="/etc"),
    ),
)


@pytest.mark.parametrize(
    ("needed", "node", "condition"),
    [
        (("build", "s-web"), ("container", "s-web-1"), "built"),
        (("image", "postgres"), ("container", "s-db-1"), "pulled"),
        (("network", "s_back"), ("container", "s-web-2"), "created"),
        (("volume", "shared"), ("container", "s-db-1"), "created"),
        (("container", "s-db-1"), ("container", "s-web-2"), "service_healthy"),
        (("material", "config s_key"), ("container", "s-web-1"), "read"),
        (("material", "secret s_key"), ("container", "s-web-1"), "read"),
    ],
)
def test_edges(needed: tuple[str, str], node: tuple[str, str], condition: str) -> None:
    assert graph_of(stack_of(WEB, DB)).edges[needed, node]["condition"] == condition


def test_only_what_is_needed_is_there() -> None:
    graph = graph_of(stack_of(DB))
    assert sorted(graph.nodes) == [("container", "s-db-1"), ("image", "postgres"), ("volume", "shared")]


def test_it_can_be_sorted() -> None:
    order = list(networkx.topological_sort(graph_of(stack_of(WEB, DB))))
    assert order.index(("container", "s-db-1")) < order.index(("container", "s-web-1"))


def test_a_dependency_that_is_not_active_has_no_container() -> None:
    lonely = Service(name="web", image="x", depends_on={"gone": Dependency(required=False)})
    assert ("container", "s-gone-1") not in graph_of(stack_of(lonely)).nodes
