"""Every attribute of the Compose Specification with its kind of value, in Docker Compose's order.

Whether something is honoured is not said here but in ``support``.  Order, kinds and what is written
when empty follow Docker Compose v2.40.3.
"""

from __future__ import annotations

from composer.stackfile.shape import (
    BOOLEAN,
    COUNT,
    DURATION,
    INTEGER,
    KEPT_BOOLEAN,
    KEPT_COUNT,
    KEPT_DURATION,
    KEPT_INTEGER,
    MODE,
    NUMBER,
    OPTION,
    PERMISSIONS,
    SIZE,
    TEXT,
    WEIGHT,
    WHOLE_NUMBER,
    Capitalised,
    Hosts,
    KeyValues,
    List,
    Lists,
    Map,
    Problems,
    Ssh,
    Struct,
    Test,
    Words,
)
from composer.stackfile.tree import Node, Path

_TEXTS = List(TEXT)
_LABELS = KeyValues()
_VARIABLES = KeyValues(null=True)


class Ulimit(Struct):
    """One number for both limits, or soft and hard ones."""

    def __init__(self) -> None:
        super().__init__({"soft": WHOLE_NUMBER, "hard": WHOLE_NUMBER})

    def settle(self, node: Node, path: Path, problems: Problems) -> None:
        """Settle the number or the two."""
        if isinstance(node.value, dict):
            super().settle(node, path, problems)
        else:
            WHOLE_NUMBER.settle(node, path, problems)

    def emit(self, node: Node, style: str) -> object:
        """A number, except for 0, which Docker Compose writes as an empty mapping."""
        return super().emit(node, style) if isinstance(node.value, dict) or not node.value else node.value


class EnvFile(Struct):
    """A file of variables; one that must be there and is of the usual format is its path."""

    def emit(self, node: Node, style: str) -> object:
        """The path, or path and what is unusual."""
        data = super().emit(node, style)
        is_usual = data.get("required", True) and "format" not in data
        return data.get("path", "") if is_usual else data


_GRANTS = List(Struct({"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": MODE}))
_DEVICE_REQUESTS = List(
    Struct(
        {
            "capabilities": _TEXTS,
            "driver": TEXT,
            "count": WHOLE_NUMBER,
            "device_ids": _TEXTS,
            "options": _LABELS,
        }
    )
)
_HOOK = {
    "command": Words(),
    "user": TEXT,
    "privileged": BOOLEAN,
    "working_dir": TEXT,
    "environment": _VARIABLES,
}
_RATES = List(Capitalised({"path": TEXT, "rate": SIZE}, {"path": "", "rate": "0"}))

BUILD = Struct(
    {
        "context": TEXT,
        "dockerfile": TEXT,
        "dockerfile_inline": TEXT,
        "entitlements": _TEXTS,
        "args": _VARIABLES,
        "provenance": TEXT,
        "sbom": TEXT,
        "ssh": Ssh(),
        "labels": _LABELS,
        "cache_from": _TEXTS,
        "cache_to": _TEXTS,
        "no_cache": BOOLEAN,
        "additional_contexts": _LABELS,
        "pull": BOOLEAN,
        "extra_hosts": Hosts(),
        "isolation": TEXT,
        "network": TEXT,
        "target": TEXT,
        "secrets": _GRANTS,
        "shm_size": SIZE,
        "tags": _TEXTS,
        "ulimits": Map(Ulimit()),
        "platforms": _TEXTS,
        "privileged": BOOLEAN,
    }
)

_RESOURCE = {
    "cpus": NUMBER,
    "memory": SIZE,
    "pids": INTEGER,
    "devices": _DEVICE_REQUESTS,
    "generic_resources": List(
        Struct({"discrete_resource_spec": Struct({"kind": TEXT, "value": INTEGER})}),
    ),
}
_UPDATE = Struct(
    {
        "parallelism": KEPT_COUNT,
        "delay": DURATION,
        "failure_action": TEXT,
        "monitor": DURATION,
        "max_failure_ratio": NUMBER,
        "order": TEXT,
    }
)

DEPLOY = Struct(
    {
        "mode": TEXT,
        "replicas": KEPT_INTEGER,
        "labels": _LABELS,
        "update_config": _UPDATE,
        "rollback_config": _UPDATE,
        "resources": Struct(
            {"limits": Struct(_RESOURCE), "reservations": Struct(_RESOURCE)}, kept=False, always=True
        ),
        "restart_policy": Struct(
            {
                "condition": TEXT,
                "delay": KEPT_DURATION,
                "max_attempts": KEPT_COUNT,
                "window": KEPT_DURATION,
            }
        ),
        "placement": Struct(
            {
                "constraints": _TEXTS,
                "preferences": List(Struct({"spread": TEXT})),
                "max_replicas_per_node": COUNT,
            },
            kept=False,
            always=True,
        ),
        "endpoint_mode": TEXT,
    }
)

VOLUME_OF_SERVICE = Struct(
    {
        "type": TEXT,
        "source": TEXT,
        "target": TEXT,
        "read_only": BOOLEAN,
        "consistency": TEXT,
        "bind": Struct(
            {"selinux": TEXT, "propagation": TEXT, "create_host_path": BOOLEAN, "recursive": TEXT}
        ),
        "volume": Struct({"labels": _LABELS, "nocopy": BOOLEAN, "subpath": TEXT}),
        "tmpfs": Struct({"size": SIZE, "mode": PERMISSIONS}),
        "image": Struct({"subpath": TEXT}),
    }
)

SERVICE = Struct(
    {
        "profiles": _TEXTS,
        "annotations": _LABELS,
        "attach": KEPT_BOOLEAN,
        "build": BUILD,
        "develop": Struct(
            {
                "watch": List(
                    Struct(
                        {
                            "path": TEXT,
                            "action": TEXT,
                            "target": TEXT,
                            "exec": Struct(_HOOK, always=True),
                            "include": _TEXTS,
                            "ignore": _TEXTS,
                            "initial_sync": BOOLEAN,
                        }
                    )
                )
            }
        ),
        "blkio_config": Struct(
            {
                "weight": WEIGHT,
                "weight_device": List(
                    Capitalised({"path": TEXT, "weight": WEIGHT}, {"path": "", "weight": 0})
                ),
                "device_read_bps": _RATES,
                "device_read_iops": _RATES,
                "device_write_bps": _RATES,
                "device_write_iops": _RATES,
            }
        ),
        "cap_add": _TEXTS,
        "cap_drop": _TEXTS,
        "cgroup_parent": TEXT,
        "cgroup": TEXT,
        "cpu_count": INTEGER,
        "cpu_percent": NUMBER,
        "cpu_period": INTEGER,
        "cpu_quota": INTEGER,
        "cpu_rt_period": INTEGER,
        "cpu_rt_runtime": INTEGER,
        "cpus": NUMBER,
        "cpuset": TEXT,
        "cpu_shares": INTEGER,
        "command": Words(),
        "configs": _GRANTS,
        "container_name": TEXT,
        "credential_spec": Struct({"config": TEXT, "file": TEXT, "registry": TEXT}),
        "depends_on": Map(Struct({"condition": TEXT, "restart": BOOLEAN, "required": KEPT_BOOLEAN})),
        "deploy": DEPLOY,
        "device_cgroup_rules": _TEXTS,
        "devices": List(Struct({"source": TEXT, "target": TEXT, "permissions": TEXT})),
        "dns": _TEXTS,
        "dns_opt": _TEXTS,
        "dns_search": _TEXTS,
        "domainname": TEXT,
        "entrypoint": Words(),
        "provider": Struct({"type": TEXT, "options": Lists()}),
        "environment": _VARIABLES,
        "env_file": List(EnvFile({"path": TEXT, "required": KEPT_BOOLEAN, "format": TEXT})),
        "expose": _TEXTS,
        "extends": Struct({"file": TEXT, "service": TEXT}),
        "external_links": _TEXTS,
        "extra_hosts": Hosts(),
        "group_add": _TEXTS,
        "gpus": _DEVICE_REQUESTS,
        "hostname": TEXT,
        "healthcheck": Struct(
            {
                "test": Test(),
                "timeout": KEPT_DURATION,
                "interval": KEPT_DURATION,
                "retries": KEPT_COUNT,
                "start_period": KEPT_DURATION,
                "start_interval": KEPT_DURATION,
                "disable": BOOLEAN,
            }
        ),
        "image": TEXT,
        "init": KEPT_BOOLEAN,
        "ipc": TEXT,
        "isolation": TEXT,
        "labels": _LABELS,
        "label_file": _TEXTS,
        "links": _TEXTS,
        "logging": Struct({"driver": TEXT, "options": _LABELS}),
        "mem_limit": SIZE,
        "mem_reservation": SIZE,
        "memswap_limit": SIZE,
        "mem_swappiness": SIZE,
        "mac_address": TEXT,
        "models": Map(Struct({"endpoint_var": TEXT, "model_var": TEXT}), nullable=True),
        "network_mode": TEXT,
        "networks": Map(
            Struct(
                {
                    "aliases": _TEXTS,
                    "driver_opts": _LABELS,
                    "gw_priority": INTEGER,
                    "interface_name": TEXT,
                    "ipv4_address": TEXT,
                    "ipv6_address": TEXT,
                    "link_local_ips": _TEXTS,
                    "mac_address": TEXT,
                    "priority": INTEGER,
                }
            ),
            nullable=True,
        ),
        "oom_kill_disable": BOOLEAN,
        "oom_score_adj": INTEGER,
        "pid": TEXT,
        "pids_limit": INTEGER,
        "platform": TEXT,
        "ports": List(
            Struct(
                {
                    "name": TEXT,
                    "mode": TEXT,
                    "host_ip": TEXT,
                    "target": INTEGER,
                    "published": TEXT,
                    "protocol": TEXT,
                    "app_protocol": TEXT,
                }
            )
        ),
        "privileged": BOOLEAN,
        "pull_policy": TEXT,
        "read_only": BOOLEAN,
        "restart": TEXT,
        "runtime": TEXT,
        "scale": KEPT_INTEGER,
        "secrets": _GRANTS,
        "security_opt": _TEXTS,
        "shm_size": SIZE,
        "stdin_open": BOOLEAN,
        "stop_grace_period": KEPT_DURATION,
        "stop_signal": TEXT,
        "storage_opt": Map(OPTION),
        "sysctls": _LABELS,
        "tmpfs": _TEXTS,
        "tty": BOOLEAN,
        "ulimits": Map(Ulimit()),
        "use_api_socket": BOOLEAN,
        "user": TEXT,
        "userns_mode": TEXT,
        "uts": TEXT,
        "volumes": List(VOLUME_OF_SERVICE),
        "volumes_from": _TEXTS,
        "working_dir": TEXT,
        "post_start": List(Struct(_HOOK)),
        "pre_stop": List(Struct(_HOOK)),
    }
)

NETWORK = Struct(
    {
        "name": TEXT,
        "driver": TEXT,
        "driver_opts": _LABELS,
        "ipam": Struct(
            {
                "driver": TEXT,
                "config": List(
                    Struct({"subnet": TEXT, "gateway": TEXT, "ip_range": TEXT, "aux_addresses": _LABELS})
                ),
            },
            kept=False,
            always=True,
        ),
        "external": BOOLEAN,
        "internal": BOOLEAN,
        "attachable": BOOLEAN,
        "labels": _LABELS,
        "enable_ipv4": KEPT_BOOLEAN,
        "enable_ipv6": KEPT_BOOLEAN,
    }
)

VOLUME = Struct(
    {"name": TEXT, "driver": TEXT, "driver_opts": _LABELS, "external": BOOLEAN, "labels": _LABELS}
)

_MATERIAL = {
    "name": TEXT,
    "file": TEXT,
    "environment": TEXT,
    "content": TEXT,
    "external": BOOLEAN,
    "labels": _LABELS,
    "driver": TEXT,
    "driver_opts": _LABELS,
    "template_driver": TEXT,
}
CONFIG = Struct(_MATERIAL)
SECRET = Struct({key: kind for key, kind in _MATERIAL.items() if key != "content"})
MODEL = Struct({"name": TEXT, "model": TEXT, "context_size": INTEGER, "runtime_flags": _TEXTS})

STACK = Struct(
    {
        "name": TEXT,
        "services": Map(SERVICE),
        "networks": Map(NETWORK),
        "volumes": Map(VOLUME),
        "secrets": Map(SECRET),
        "configs": Map(CONFIG),
        "models": Map(MODEL),
    }
)
