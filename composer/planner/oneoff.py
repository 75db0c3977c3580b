"""The container of ``composer run``: a service's, with what the command line changes.

It has no ports unless they are asked for, no restarts, no healthcheck, and answers to no name of the
service unless ``use_aliases`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from composer import errors
from composer.model import names
from composer.model.container import ContainerMount, ContainerSpec, NetworkMembership
from composer.model.stack import MountKind, PublishedPort, RestartPolicy, Stack
from composer.planner import desired


@attrs.frozen(kw_only=True)
class OneOff:
    """What ``run`` was asked for; ``None`` and empty leave what the service says.

    ``entrypoint`` empties the service's command.  ``mounts`` with a volume name the stack's key.
    """

    name: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict)
    labels: Mapping[str, str] = attrs.field(factory=dict)
    user: str | None = None
    working_dir: str | None = None
    tty: bool = False
    stdin_open: bool = False
    ports: tuple[PublishedPort, ...] = ()
    service_ports: bool = False
    mounts: tuple[ContainerMount, ...] = ()
    use_aliases: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    auto_remove: bool = False


def spec_of(stack: Stack, service: str, images: Mapping[str, str], wanted: OneOff) -> ContainerSpec:
    """The specification; raises ``UsageError`` for a volume that the stack does not have."""
    spec = desired.container_spec(stack, stack.services[service], 1, images)
    command = () if wanted.entrypoint is not None and wanted.command is None else wanted.command
    mounts = {mount.target: mount for mount in (*spec.mounts, *(_named(stack, m) for m in wanted.mounts))}
    return attrs.evolve(
        spec,
        name=wanted.name,
        one_off=True,
        command=spec.command if command is None else command,
        entrypoint=spec.entrypoint if wanted.entrypoint is None else wanted.entrypoint,
        environment=dict(sorted({**spec.environment, **wanted.environment}.items())),
        user=wanted.user or spec.user,
        working_dir=wanted.working_dir or spec.working_dir,
        ports=(*(spec.ports if wanted.service_ports else ()), *wanted.ports),
        mounts=tuple(mounts.values()),
        restart=RestartPolicy(),
        healthcheck=None,
        post_start=(),
        pre_stop=(),
        networks={
            network: _membership(service, membership, use_aliases=wanted.use_aliases)
            for network, membership in spec.networks.items()
        },
        labels=dict(sorted({**spec.labels, **wanted.labels, names.LABEL_ONE_OFF: "True"}.items())),
        cap_add=(*spec.cap_add, *wanted.cap_add),
        cap_drop=(*spec.cap_drop, *wanted.cap_drop),
        auto_remove=wanted.auto_remove,
        tty=wanted.tty,
        stdin_open=wanted.stdin_open,
        stdin_once=wanted.stdin_open,
    )


def _membership(service: str, membership: NetworkMembership, *, use_aliases: bool) -> NetworkMembership:
    """Addresses belong to the service's own containers; so do its names, unless they are asked for."""
    aliases = tuple(sorted({service, *membership.aliases})) if use_aliases else ()
    return attrs.evolve(membership, aliases=aliases, ipv4_address=None, ipv6_address=None, mac_address=None)


def _named(stack: Stack, mount: ContainerMount) -> ContainerMount:
    if mount.kind is not MountKind.VOLUME or not mount.source:
        return mount
    if mount.source not in stack.volumes:
        message = f"the stack has no volume {mount.source}"
        hint = f"There are: {', '.join(stack.volumes) or 'none'}. A directory begins with ./ or /."
        raise errors.UsageError(message, hint=hint)
    return attrs.evolve(mount, source=stack.volumes[mount.source].name)
