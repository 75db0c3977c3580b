"""What composer does with each attribute: the one source of the support table and of ``up``'s word.

``HONOURED`` has its effect.  ``IDLE`` is accepted and has none on one host, with the reason; ``up``
says so once.  ``REFUSED`` would change what runs and is not built yet: ``config`` takes it, ``up``
does not.  What a row says goes for everything below its path that has no row of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

import attrs

from composer import errors
from composer.model import logging
from composer.model.stack import Logging
from composer.stackfile import attributes
from composer.stackfile.shape import List, Map, Shape, Struct, is_extension
from composer.stackfile.tree import Node, Path, problem


class Support(enum.Enum):
    """What is done with an attribute."""

    HONOURED = "honoured"
    IDLE = "no effect"
    REFUSED = "refused"


@attrs.frozen
class Row:
    """One row of the table; ``note`` says why, or how far."""

    path: str
    support: Support
    note: str = ""


def _rows(support: Support, prefix: str, text: str) -> Iterator[Row]:
    """``path ...`` or ``path: note`` lines below a prefix."""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        names, _, note = line.partition(": ")
        for name in names.split():
            yield Row(f"{prefix}{name}", support, note)


_SERVICE = "services.*."
_NO_CLUSTER = "only a cluster keeps these; say file, environment or content"
_NO_MODELS = "they need Docker's model runner; run the model as a service of its own"

ROWS: tuple[Row, ...] = (
    Row("name", Support.HONOURED),
    *_rows(
        Support.HONOURED,
        _SERVICE,
        """
        build.additional_contexts: directories, git, URLs of archives, docker-image and service
        build.cache_from build.cache_to: local, registry and inline; others are warned about
        build.context: directories, git repositories and URLs of archives
        build.entitlements: network.host and security.insecure
        build.extra_hosts build.labels build.network build.no_cache build.pull build.secrets
        build.platforms: that of this host among them
        build.privileged: as the entitlement security.insecure
        build.shm_size build.ssh build.tags build.ulimits
        annotations: annotations of the OCI configuration
        attach
        blkio_config
        build.dockerfile build.dockerfile_inline build.args build.target
        cap_add cap_drop cgroup command configs container_name cpus cpu_period cpu_quota cpu_rt_period
        cpu_rt_runtime cpu_shares cpuset depends_on device_cgroup_rules
        devices: nodes of the host, and names of CDI
        dns dns_opt dns_search domainname entrypoint env_file environment
        deploy.replicas
        deploy.resources.reservations.devices gpus: what the host's CDI files name
        deploy.resources.limits.cpus deploy.resources.limits.memory deploy.resources.limits.pids
        deploy.restart_policy.condition deploy.restart_policy.max_attempts
        deploy.restart_policy.delay deploy.restart_policy.window
        cgroup_parent
        runtime: a name or a path
        provider: a program that speaks Docker Compose's protocol; up and down
        extends extra_hosts group_add healthcheck hostname image init ipc label_file labels mem_limit
        mem_reservation mem_swappiness memswap_limit
        network_mode: bridge is the stack's default network; ports need it or networks
        external_links: containers of any stack on a network that the service is on
        links: an alias that this service alone sees
        mac_address: of a service on one network
        networks.*.aliases networks.*.gw_priority networks.*.interface_name networks.*.ipv4_address
        networks.*.ipv6_address networks.*.link_local_ips networks.*.mac_address
        networks.*.driver_opts: com.docker.network.endpoint.ifname and .sysctls
        networks.*.priority: the interfaces' order; gw_priority says where the default route leads
        logging: json-file, local, journald and none
        oom_kill_disable: where the kernel has it (cgroup v1)
        oom_score_adj pid pids_limit
        platform: that of this host
        ports: IPv4 and IPv6; tcp, udp and sctp; a range takes its first free port
        post_start pre_stop: on request, not when a policy restarts or a signal kills
        profiles
        pull_policy
        privileged read_only restart scale
        secrets: uid, gid and mode are honoured for every kind of source
        security_opt: AppArmor and SELinux labels where the host has them
        shm_size stdin_open stop_grace_period stop_signal
        sysctls: those that have a namespace
        tmpfs tty
        ulimits: as far as this host may hand on
        user
        userns_mode: host
        uts
        volumes: bind, volume, tmpfs and image
        volumes_from working_dir
        """,
    ),
    *_rows(
        Support.IDLE,
        _SERVICE,
        """
        build.provenance build.sbom: images are not attested
        build.isolation isolation credential_spec: a Windows matter
        cpu_count cpu_percent: a Windows matter
        deploy.labels: labels of a cluster's service
        deploy.mode deploy.endpoint_mode deploy.placement: there is one host to place things on
        deploy.update_config deploy.rollback_config: containers are replaced by the plan that up shows
        deploy.resources.reservations.cpus deploy.resources.reservations.memory: nothing is scheduled
        deploy.resources.reservations.generic_resources: nothing is scheduled
        deploy.resources.limits.devices deploy.resources.limits.generic_resources: nothing is scheduled
        deploy.resources.reservations.pids: nothing is scheduled
        develop: read by `watch` and `up --watch` alone
        expose: containers of one network reach each other's ports anyway
        ports.*.mode ports.*.name ports.*.app_protocol: a cluster's matter
        volumes.*.consistency: a macOS matter
        volumes.*.bind.selinux: labels need SELinux on the host
        """,
    ),
    *_rows(
        Support.REFUSED,
        _SERVICE,
        f"""
        models: {_NO_MODELS}
        storage_opt: the writable layer has no quota; bound data with a tmpfs of a size
        use_api_socket: there is no Docker API socket to hand to a container
        """,
    ),
    *_rows(
        Support.HONOURED,
        "networks.*.",
        """
        name internal labels enable_ipv4
        driver: bridge, macvlan and ipvlan; host and none as external networks
        driver_opts: those named under Networks; any other is refused
        enable_ipv6: without a subnet, a unique local one that follows from the network's name
        external: networks of another stack or of `composer network create`
        ipam.driver: default
        ipam.config: a subnet of each family, with gateway, ip_range and aux_addresses
        """,
    ),
    *_rows(Support.IDLE, "networks.*.", "attachable: every container may be connected"),
    *_rows(
        Support.REFUSED,
        "networks.*.",
        "ipam.options: there is one address manager, it has no options",
    ),
    *_rows(
        Support.HONOURED,
        "volumes.*.",
        """
        name labels external
        driver: local
        driver_opts: type, device and o, mounted for as long as a container uses the volume
        """,
    ),
    *_rows(Support.HONOURED, "configs.*.", "name file environment content"),
    *_rows(Support.HONOURED, "secrets.*.", "name file environment"),
    *_rows(Support.IDLE, "configs.*.", "labels: a config is a file in the container"),
    *_rows(Support.IDLE, "secrets.*.", "labels: a secret is a file in the container"),
    *_rows(Support.REFUSED, "configs.*.", f"external driver driver_opts template_driver: {_NO_CLUSTER}"),
    *_rows(Support.REFUSED, "secrets.*.", f"external driver driver_opts template_driver: {_NO_CLUSTER}"),
    *_rows(Support.REFUSED, "models.*.", f"name model context_size runtime_flags: {_NO_MODELS}"),
)

_OWN_NETWORKS = (None, "", "bridge", "default")

_BY_PATH = {row.path: row for row in ROWS}

_HARMLESS: dict[str, tuple[object, ...]] = {
    "networks.*.external": (False,),
    "networks.*.enable_ipv4": (True,),
    "networks.*.enable_ipv6": (False,),
    "volumes.*.external": (False,),
    "configs.*.external": (False,),
    "secrets.*.external": (False,),
    "services.*.ports.*.mode": ("ingress",),
    "services.*.privileged": (False,),
    "services.*.tty": (False,),
    "services.*.stdin_open": (False,),
    "services.*.oom_kill_disable": (False,),
    "services.*.build.no_cache": (False,),
    "services.*.build.pull": (False,),
    "services.*.build.privileged": (False,),
    "services.*.deploy.mode": ("replicated",),
}
"""Values that are the same as saying nothing."""


def row_for(pattern: str) -> Row | None:
    """The row that speaks for an attribute: its own or that of the nearest one above."""
    while pattern:
        if pattern in _BY_PATH:
            return _BY_PATH[pattern]
        pattern = pattern.rpartition(".")[0]
    return None


def patterns(shape: Shape = attributes.STACK, prefix: str = "") -> Iterator[str]:
    """The pattern of every attribute of the specification, in order."""
    if isinstance(shape, Struct):
        for key, child in shape.fields.items():
            here = f"{prefix}.{key}" if prefix else key
            yield here
            yield from patterns(child, here)
    elif isinstance(shape, List | Map) and isinstance(shape.item, Struct):
        yield from patterns(shape.item, f"{prefix}.*")


@attrs.frozen
class Findings:
    """What a tree asks for that has no effect (sentences), and what is refused."""

    idle: tuple[str, ...]
    refused: tuple[errors.Problem, ...]


def findings(root: Node) -> Findings:
    """Walk a selected, settled tree."""
    idle: dict[str, None] = {}
    refused: list[errors.Problem] = []
    for node, path, pattern in _written(root, (), "", attributes.STACK):
        if path[0] == "models":
            continue  # refused where a service asks for one
        row = row_for(pattern)
        if row is None or row.support is Support.HONOURED or _says_nothing(node, pattern):
            continue
        if row.support is Support.IDLE:
            idle[f"{row.path.replace('.*', '').partition('.')[2]} has no effect: {row.note}"] = None
        elif row.path == pattern:
            message = f"{path[-1]} is not supported yet"
            hint = row.note or "docs/compatibility.md lists what is honoured."
            refused.append(problem(node, path, message, hint=hint))
    for name, service in (root.child("services") or root).entries():
        for option, why in _idle_log_options(service.child("logging")).items():
            idle[f"logging.options.{option} has no effect: {why}"] = None
        mode, ports = service.child("network_mode"), service.child("ports")
        if mode is not None and ports is not None and ports.value and mode.value not in _OWN_NETWORKS:
            idle[f"ports of {name} has no effect: network_mode is {mode.value}"] = None
    return Findings(tuple(idle), tuple(refused))


def _idle_log_options(node: Node | None) -> Mapping[str, str]:
    driver, options = (node.child(key) if node else None for key in ("driver", "options"))
    return logging.idle_options(
        Logging(
            driver=str(driver.value or "") if driver else "",
            options={key: str(child.value) for key, child in (options.entries() if options else ())},
        )
    )


def _written(node: Node, path: Path, pattern: str, shape: Shape) -> Iterator[tuple[Node, Path, str]]:
    """Every attribute that is written, with its path and pattern."""
    if isinstance(shape, Struct):
        for key, child in node.entries():
            field = shape.fields.get(key)
            if field is not None and not is_extension(key) and child.value is not None:
                here = f"{pattern}.{key}" if pattern else key
                yield child, (*path, key), here
                yield from _written(child, (*path, key), here, field)
    elif isinstance(shape, List):
        for index, item in enumerate(node.items()):
            yield from _written(item, (*path, index), f"{pattern}.*", shape.item)
    elif isinstance(shape, Map):
        for key, child in node.entries():
            yield from _written(child, (*path, key), f"{pattern}.*", shape.item)


def _says_nothing(node: Node, pattern: str) -> bool:
    return node.value in ("", 0, None, [], {}) or node.value in _HARMLESS.get(pattern, ())
