"""``composer config``: the loaded stack written back, as YAML or JSON, in long form.

Dollars are doubled, so that the output is a stack file that means the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from composer.model.stack import FileDefinition, FileGrant, MountKind, RestartKind, Service, Stack

Tree = dict[str, Any]


def tree_of(stack: Stack) -> Tree:
    """The stack as plain data; sections and keys that say nothing are left out."""
    tree: Tree = {
        "name": stack.name,
        "services": {name: _service(service) for name, service in stack.services.items()},
        "networks": {key: _network(stack, key) for key in stack.networks},
        "volumes": {key: {"name": volume.name} for key, volume in stack.volumes.items()},
        "configs": {key: _material(stack.configs[key]) for key in stack.configs},
        "secrets": {key: _material(stack.secrets[key]) for key in stack.secrets},
    }
    return {key: value for key, value in tree.items() if value or key in ("name", "services")}


def as_json(stack: Stack) -> str:
    """The stack as JSON, keys sorted at the top."""
    tree = _dollars_doubled(tree_of(stack))
    return json.dumps(dict(sorted(tree.items())), indent=2, ensure_ascii=False) + "\n"


def as_yaml(stack: Stack) -> str:
    """The stack as YAML."""
    import yaml

    # libyaml's emitter is ten times as quick; not every build of PyYAML has it.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    tree = _dollars_doubled(tree_of(stack))
    text: str = yaml.dump(tree, Dumper=dumper, sort_keys=False, allow_unicode=True)
    return text


def _dollars_doubled(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _dollars_doubled(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_dollars_doubled(child) for child in value]
    return value


def _service(service: Service) -> Tree:
    tree: Tree = {
        "profiles": list(service.profiles),
        "build": _build(service),
        "cap_add": list(service.cap_add),
        "cap_drop": list(service.cap_drop),
        "command": None if service.command is None else list(service.command),
        "configs": [_grant(grant) for grant in service.configs],
        "cpus": service.limits.cpus,
        "depends_on": {
            name: {
                "condition": dependency.condition.value,
                **({"restart": True} if dependency.restart else {}),
                "required": dependency.required,
            }
            for name, dependency in service.depends_on.items()
        },
        "entrypoint": None if service.entrypoint is None else list(service.entrypoint),
        "environment": dict(service.environment),
        "healthcheck": _healthcheck(service),
        "hostname": service.hostname,
        "image": service.image,
        "init": service.init or None,
        "labels": dict(service.labels),
        "mem_limit": None if service.limits.memory is None else str(service.limits.memory),
        "networks": {
            key: {
                **({"aliases": list(attachment.aliases)} if attachment.aliases else {}),
                **({"ipv4_address": attachment.ipv4_address} if attachment.ipv4_address else {}),
            }
            or None
            for key, attachment in service.networks.items()
        },
        "pids_limit": service.limits.pids,
        "ports": [
            {
                "mode": "ingress",
                **({"host_ip": port.host_ip} if port.host_ip else {}),
                "target": port.target,
                **({"published": str(port.published)} if port.published else {}),
                "protocol": port.protocol,
            }
            for port in service.ports
        ],
        "read_only": service.read_only or None,
        "restart": None if service.restart.kind is RestartKind.NO else str(service.restart),
        "scale": None if service.replicas == 1 else service.replicas,
        "secrets": [_grant(grant) for grant in service.secrets],
        "stop_grace_period": None if service.stop_grace_period is None else str(service.stop_grace_period),
        "stop_signal": service.stop_signal,
        "user": service.user,
        "volumes": [
            {
                "type": mount.kind.value,
                **({"source": mount.source} if mount.source else {}),
                "target": mount.target,
                **({"read_only": True} if mount.read_only else {}),
                **(
                    {"bind": {"create_host_path": mount.create_host_path}}
                    if mount.kind is MountKind.BIND
                    else {}
                ),
            }
            for mount in service.mounts
        ],
        "working_dir": service.working_dir,
    }
    kept = ("command", "entrypoint")
    return {
        key: value
        for key, value in tree.items()
        if key in kept or (value is not None and value not in ([], {}))
    }


def _build(service: Service) -> Tree | None:
    build = service.build
    if build is None:
        return None
    tree: Tree = {
        "context": build.context,
        "dockerfile": None if build.dockerfile_inline is not None else build.dockerfile,
        "dockerfile_inline": build.dockerfile_inline,
        "args": dict(build.args) or None,
        "target": build.target,
    }
    return {key: value for key, value in tree.items() if value is not None}


def _grant(grant: FileGrant) -> Tree:
    tree: Tree = {"source": grant.source, "target": grant.target}
    tree.update({key: getattr(grant, key) for key in ("uid", "gid") if getattr(grant, key) is not None})
    if grant.mode != 0o444:
        tree["mode"] = f"{grant.mode:04o}"
    return tree


def _healthcheck(service: Service) -> Tree | None:
    check = service.healthcheck
    if check is None:
        return None
    if check.disabled:
        return {"disable": True}
    tree: Tree = {
        "test": None if check.test is None else list(check.test),
        "timeout": _string(check.timeout),
        "interval": _string(check.interval),
        "retries": check.retries,
        "start_period": _string(check.start_period),
        "start_interval": _string(check.start_interval),
    }
    return {key: value for key, value in tree.items() if value is not None}


def _string(value: object) -> str | None:
    return None if value is None else str(value)


def _network(stack: Stack, key: str) -> Tree:
    network = stack.networks[key]
    config = {k: v for k, v in (("subnet", network.subnet), ("gateway", network.gateway)) if v}
    return {
        "name": network.name,
        "ipam": {"config": [config]} if config else {},
        **({"internal": True} if network.internal else {}),
        **({"labels": dict(network.labels)} if network.labels else {}),
    }


def _material(definition: FileDefinition) -> Tree:
    """Where the content comes from; the content itself only when it stands in the file."""
    if definition.origin == "content":
        return {"name": definition.name, "content": definition.content.decode(errors="replace")}
    word, _, rest = definition.origin.partition(" ")
    if word == "environment":
        return {"name": definition.name, "environment": rest}
    return {"name": definition.name, "file": definition.origin}


def names_of(mapping: Mapping[str, object]) -> str:
    """Names, one a line."""
    return "".join(f"{name}\n" for name in mapping)
