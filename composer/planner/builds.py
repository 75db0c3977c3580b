"""The builds of a stack: what each one asks for, and which must come before which.

One directed graph over all of them: an edge leads from an image to the build that reads it, by a
``service:`` context or because its Dockerfile names the image in ``FROM``, ``COPY --from`` or
``RUN --mount``.  Several services may name one image; the first one by name says how it is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from composer import errors
from composer.model import platforms, reference
from composer.model.build import cache_place
from composer.model.protocols import BuildRequest
from composer.planner import desired

if TYPE_CHECKING:
    import networkx

    from composer.model.build import Build
    from composer.model.stack import Service, Stack

_SERVICE = "service:"
_IMAGE = "docker-image://"
_NETWORK_HOST, _INSECURE = "network.host", "security.insecure"


def builders(stack: Stack, *, inactive: bool = False) -> dict[str, Service]:
    """For each image that can be built the first service that says how.

    With ``inactive`` those of services that no profile selects come after the others: what is built
    may read from them.
    """
    found: dict[str, Service] = {}
    for services in (stack.services, stack.inactive if inactive else {}):
        for _, service in sorted(services.items()):
            if service.build is not None:
                found.setdefault(desired.image_reference(stack, service), service)
    return found


def needs_reading(stack: Stack, images: Mapping[str, str], *, will_build: bool) -> bool:
    """Whether a plan depends on what Dockerfiles read: several images can be built, and one will be."""
    makers = builders(stack, inactive=True)
    return len(makers) > 1 and (
        will_build
        or any(image not in images for image in makers)
        or any(service.pull_policy == "build" for service in stack.services.values())
    )


def request_of(stack: Stack, service: Service, *, agent: str = "", epoch: int | None = None) -> BuildRequest:
    """The build of a service with everything settled.

    ``agent`` is the socket of the caller's ssh-agent, for ``ssh: [default]``.  Raises ``UsageError``: a
    platform that this host cannot build for, a context or secret that the stack does not have.
    """
    build = service.build
    assert build is not None
    image = desired.image_reference(stack, service)
    network = build.network or "default"
    entitlements = {*build.entitlements}
    if network == "host":
        entitlements.add(_NETWORK_HOST)
    if build.privileged:
        entitlements.add(_INSECURE)
    return BuildRequest(
        context=build.context,
        dockerfile=build.dockerfile,
        dockerfile_inline=build.dockerfile_inline,
        args={name: value for name, value in build.args.items() if value is not None},
        target=build.target,
        tags=(image, *(tag for tag in build.tags if tag != image)),
        labels=build.labels,
        no_cache=build.no_cache,
        pulls=build.pull,
        platform=_platform(service, build),
        contexts={
            name: _context(stack, service, name, address)
            for name, address in build.additional_contexts.items()
        },
        network=network,
        hosts=tuple((name, one) for name, addresses in build.extra_hosts.items() for one in addresses),
        shm_size=None if build.shm_size is None else int(build.shm_size),
        ulimits=build.ulimits,
        secrets=_secrets(stack, service, build),
        ssh={name: path or agent for name, path in build.ssh.items()},
        entitlements=frozenset(entitlements),
        cache_from=tuple(cache_place(text, stack.directory) for text in build.cache_from),
        cache_to=tuple(cache_place(text, stack.directory) for text in build.cache_to),
        epoch=epoch,
    )


def _platform(service: Service, build: Build) -> str:
    """Of several platforms that one which this host runs."""
    wanted = (service.platform,) if service.platform else build.platforms
    if not wanted:
        return ""
    possible = [text for text in wanted if platforms.runs_here(text)]
    if not possible:
        message = f"{service.name}: images for {', '.join(wanted)} cannot be built on this host"
        raise errors.UsageError(message, hint=f"This host is {platforms.of_host()}.")
    return possible[0]


def _context(stack: Stack, service: Service, name: str, address: str) -> str:
    """The image of a ``service:`` context in place of the service's name."""
    if not address.startswith(_SERVICE):
        return address
    other = _service_named(stack, address.removeprefix(_SERVICE))
    if other is None or other.build is None:
        message = (
            f"{service.name}: build.additional_contexts.{name} names no service that is built: {address}"
        )
        raise errors.UsageError(message)
    return f"{_IMAGE}{desired.image_reference(stack, other)}"


def _service_named(stack: Stack, name: str) -> Service | None:
    return stack.services.get(name) or stack.inactive.get(name)


def _secrets(stack: Stack, service: Service, build: Build) -> dict[str, bytes]:
    found = {}
    for secret in build.secrets:
        definition = stack.secrets.get(secret.source)
        if definition is None:
            message = f"{service.name}: build.secrets names an unknown secret: {secret.source}"
            raise errors.UsageError(message)
        found[secret.target or secret.source] = definition.content
    return found


def graph_of(
    stack: Stack, images: Iterable[str], reads: Mapping[str, Iterable[str]]
) -> networkx.DiGraph[str]:
    """The builds that these images need, themselves included; an edge goes to whoever reads.

    ``reads`` are the names that the Dockerfile of an image reads from, where they are known.  Raises
    ``UsageError`` for a circle.
    """
    import networkx  # 200 ms; only where something is built

    makers = builders(stack, inactive=True)
    by_name = {_full(image): image for image in makers}
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    pending = [image for image in images if image in makers]
    graph.add_nodes_from(pending)
    while pending:
        image = pending.pop()
        for needed in _needs(stack, makers[image], by_name, reads.get(image, ())):
            if needed == image:
                continue  # an image built on a former one of its own name
            if needed not in graph:
                pending.append(needed)
            graph.add_edge(needed, image)
    if not networkx.is_directed_acyclic_graph(graph):
        circle = [start for start, _ in networkx.find_cycle(graph)]
        message = f"images are built on each other in a circle: {' -> '.join((*circle, circle[0]))}"
        raise errors.UsageError(message)
    return graph


def ordered(
    stack: Stack, images: Sequence[str], reads: Mapping[str, Iterable[str]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The builds of ``graph_of``, each after what it needs and with that; otherwise by name."""
    if len(builders(stack, inactive=True)) == 1:
        return tuple((image, ()) for image in images)
    import networkx

    graph = graph_of(stack, images, reads)
    return tuple(
        (image, tuple(sorted(graph.predecessors(image))))
        for image in networkx.lexicographical_topological_sort(graph)
    )


def _needs(stack: Stack, service: Service, by_name: Mapping[str, str], names: Iterable[str]) -> Iterable[str]:
    build = service.build
    assert build is not None
    contexts = build.additional_contexts
    for address in contexts.values():
        other = (
            _service_named(stack, address.removeprefix(_SERVICE)) if address.startswith(_SERVICE) else None
        )
        if other is not None:
            yield desired.image_reference(stack, other)
    shadowed = {_full(name) for name in contexts}
    for name in (*names, *(a.removeprefix(_IMAGE) for a in contexts.values() if a.startswith(_IMAGE))):
        full = _full(name)
        if full in by_name and full not in shadowed:
            yield by_name[full]


def _full(name: str) -> str:
    try:
        return str(reference.parse(name))
    except errors.UsageError:
        return name
