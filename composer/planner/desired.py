"""What a stack wants to exist: one specification per container, network and volume.

Everything a later comparison needs is in the specification; what is mounted (configs, secrets)
enters by digest, so that changed content is a change and no secret is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import attrs

from composer.model import canonical, names
from composer.model.container import (
    ContainerFile,
    ContainerMount,
    ContainerSpec,
    NetworkMembership,
    NetworkSpec,
    VolumeSpec,
)
from composer.model.stack import (
    Attachment,
    FileDefinition,
    FileGrant,
    Mount,
    MountKind,
    Service,
    Stack,
)

PREDEFINED = ("host", "none")
"""External networks that nobody makes: they are modes of a container's own namespace."""

DEFAULT_GRACE = 10_000_000_000
"""Nanoseconds between stop signal and SIGKILL (Compose Specification, ``stop_grace_period``)."""


def image_reference(stack: Stack, service: Service) -> str:
    """The image a service runs: its own name for it, or ``stack-service`` for a build."""
    return service.image or names.built_image_name(stack.name, service.name)


def references(stack: Stack) -> tuple[str, ...]:
    """Every image reference that the stack names, sorted; those of mounted images, too."""
    services = (*stack.services.values(), *stack.inactive.values())
    mounts = [mount for service in services for mount in service.mounts]
    mounted = {mount.source for mount in mounts if mount.kind is MountKind.IMAGE}
    return tuple(sorted({image_reference(stack, service) for service in services} | mounted))


def container_spec(stack: Stack, service: Service, number: int, images: Mapping[str, str]) -> ContainerSpec:
    """The desired container ``number`` of a service; ``image_id`` is "" while the image is missing."""
    reference = image_reference(stack, service)
    predefined = _predefined_network(stack, service)
    spec = ContainerSpec(
        stack=stack.name,
        service=service.name,
        number=number,
        name=service.container_name or names.container_name(stack.name, service.name, number),
        image=reference,
        image_id=images.get(reference, ""),
        command=service.command,
        entrypoint=service.entrypoint,
        environment=service.environment,
        working_dir=service.working_dir,
        user=service.user,
        hostname=service.hostname,
        ports=() if predefined else service.ports,
        mounts=tuple(_mount(stack, mount) for mount in service.mounts),
        files=_files(stack, service),
        networks={
            stack.networks[key].name: _membership(service, attachment)
            for key, attachment in sorted(service.networks.items())
            if not predefined
        },
        healthcheck=service.healthcheck,
        restart=service.restart,
        stop_signal=service.stop_signal,
        stop_grace_period=int(
            DEFAULT_GRACE if service.stop_grace_period is None else service.stop_grace_period
        ),
        init=service.init,
        limits=service.limits,
        cap_add=service.cap_add,
        cap_drop=service.cap_drop,
        read_only=service.read_only,
        tty=service.tty,
        stdin_open=service.stdin_open,
        domainname=service.domainname,
        resolver=service.resolver,
        namespaces=attrs.evolve(service.namespaces, network=predefined) if predefined else service.namespaces,
        group_add=service.group_add,
        privileged=service.privileged,
        security_opt=service.security_opt,
        devices=service.devices,
        device_cgroup_rules=service.device_cgroup_rules,
        shm_size=service.shm_size,
        sysctls=service.sysctls,
        ulimits=service.ulimits,
        oom_score_adj=service.oom_score_adj,
        cgroup_parent=service.cgroup_parent,
        runtime=service.runtime,
        annotations=service.annotations,
        volumes_from=service.volumes_from,
        logging=service.logging,
        device_requests=service.device_requests,
        post_start=service.post_start,
        pre_stop=service.pre_stop,
    )
    return attrs.evolve(spec, labels=_labels(stack, service, spec))


def by_hand_spec(stack: Stack, service: Service, images: Mapping[str, str]) -> ContainerSpec:
    """The container of ``composer container run``: it has the labels it was given and no others."""
    spec = container_spec(stack, service, 1, images)
    return attrs.evolve(spec, labels=service.labels, expose=service.expose)


def network_specs(stack: Stack) -> tuple[NetworkSpec, ...]:
    """The networks the stack owns."""
    return tuple(
        NetworkSpec(
            stack=stack.name,
            key=definition.key,
            name=definition.name,
            internal=definition.internal,
            driver=definition.driver if definition.driver != "default" else "bridge",
            driver_opts=definition.driver_opts,
            pools=definition.pools,
            enable_ipv4=definition.enable_ipv4,
            enable_ipv6=definition.enable_ipv6,
            attachable=definition.attachable,
            labels={
                **definition.labels,
                names.LABEL_PROJECT: stack.name,
                names.LABEL_NETWORK: definition.key,
            },
        )
        for _, definition in sorted(stack.networks.items())
        if not definition.external
    )


def volume_specs(stack: Stack) -> tuple[VolumeSpec, ...]:
    """The volumes the stack owns."""
    return tuple(
        VolumeSpec(
            stack=stack.name,
            key=definition.key,
            name=definition.name,
            labels={**definition.labels, names.LABEL_PROJECT: stack.name, names.LABEL_VOLUME: definition.key},
            options=definition.driver_opts,
        )
        for _, definition in sorted(stack.volumes.items())
        if not definition.external
    )


def material(stack: Stack) -> dict[str, bytes]:
    """The contents of configs and secrets by the digest that specifications carry."""
    definitions = (*stack.configs.values(), *stack.secrets.values())
    return {_digest(definition): definition.content for definition in definitions}


def _predefined_network(stack: Stack, service: Service) -> str:
    """``host`` or ``none`` for a service on that external network: the same as its ``network_mode``."""
    used = (stack.networks[key] for key in service.networks)
    return next((one.name for one in used if one.external and one.name in PREDEFINED), "")


def external_networks(stack: Stack, services: Iterable[str]) -> tuple[str, ...]:
    """The names of networks that must exist already, for these services."""
    used = {key for name in services for key in stack.services[name].networks}
    definitions = (stack.networks[key] for key in sorted(used))
    return tuple(one.name for one in definitions if one.external and one.name not in PREDEFINED)


def _membership(service: Service, attachment: Attachment) -> NetworkMembership:
    """How a container of the service joins one network."""
    return NetworkMembership(
        aliases=tuple(sorted({service.name, *attachment.aliases})),
        ipv4_address=attachment.ipv4_address,
        ipv6_address=attachment.ipv6_address,
        link_local_ips=attachment.link_local_ips,
        mac_address=attachment.mac_address or service.mac_address,
        interface_name=attachment.interface_name,
        priority=attachment.priority,
        gw_priority=attachment.gw_priority,
        driver_opts=attachment.driver_opts,
        links=_links(service),
    )


def _links(service: Service) -> dict[str, str]:
    """``links`` and ``external_links``: each name that the service uses, with the one that it stands for.

    A link without an alias is a name that DNS answers anyway, so it adds nothing.
    """
    found = {}
    for text in (*service.links, *service.external_links):
        target, _, alias = text.partition(":")
        if alias and alias != target:
            found[alias] = target
    return dict(sorted(found.items()))


def _mount(stack: Stack, mount: Mount) -> ContainerMount:
    is_named = mount.kind is MountKind.VOLUME and mount.source
    return ContainerMount(
        kind=mount.kind,
        target=mount.target,
        source=stack.volumes[mount.source].name if is_named else mount.source,
        read_only=mount.read_only,
        create_host_path=mount.create_host_path,
        nocopy=mount.nocopy,
        tmpfs_size=mount.tmpfs_size,
        tmpfs_mode=mount.tmpfs_mode,
        propagation=mount.propagation,
        recursive=mount.recursive,
        subpath=mount.subpath,
        labels=mount.labels,
        tmpfs_options=mount.tmpfs_options,
    )


def _files(stack: Stack, service: Service) -> tuple[ContainerFile, ...]:
    files = [_file(grant, stack.configs[grant.source], is_secret=False) for grant in service.configs]
    files += [_file(grant, stack.secrets[grant.source], is_secret=True) for grant in service.secrets]
    return tuple(sorted(files, key=lambda file: file.target))


def _file(grant: FileGrant, definition: FileDefinition, *, is_secret: bool) -> ContainerFile:
    return ContainerFile(
        target=grant.target,
        digest=_digest(definition),
        uid=int(grant.uid or 0),
        gid=int(grant.gid or 0),
        mode=grant.mode,
        is_secret=is_secret,
    )


def _digest(definition: FileDefinition) -> str:
    """A digest that cannot be looked up for short secrets by their bare SHA-256."""
    return hashlib.sha256(
        b"composer material\0" + definition.name.encode() + b"\0" + definition.content
    ).hexdigest()


def _labels(stack: Stack, service: Service, spec: ContainerSpec) -> dict[str, str]:
    config_hash = hashlib.sha256(
        canonical.to_json(attrs.evolve(spec, number=0, name="", image_id="")).encode()
    ).hexdigest()
    return dict(
        sorted(
            {
                **service.labels,
                names.LABEL_PROJECT: stack.name,
                names.LABEL_SERVICE: service.name,
                names.LABEL_NUMBER: str(spec.number),
                names.LABEL_ONE_OFF: "False",
                names.LABEL_CONFIG_HASH: config_hash,
                names.LABEL_WORKING_DIR: stack.directory,
                names.LABEL_CONFIG_FILES: ",".join(stack.files),
            }.items()
        )
    )
