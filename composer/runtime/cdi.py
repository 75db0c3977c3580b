"""The host's CDI files: read anew for each container that asks for a device, because vendors rewrite them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from composer import errors
from composer.model import cdi
from composer.model.cdi import Edits, Specification
from composer.model.container import ContainerSpec
from composer.model.stack import Device
from composer.runtime import devices, spec, targets

DIRECTORIES = (Path("/etc/cdi"), Path("/var/run/cdi"))
"""A kind's device in a later one takes the place of the same in an earlier one (CDI, "Where specs live")."""

_LARGEST_FILE = 16 << 20


def edits_for(container: ContainerSpec, directories: Iterable[Path] = DIRECTORIES) -> Edits:
    """What the devices that a container asks for by name or ability come to; reads nothing if it asks none.

    Raises ``OperationFailed`` when no file names one, with what the files do name.
    """
    named = [device.source for device in container.devices if cdi.is_name(device.source)]
    if not named and not container.device_requests:
        return Edits()
    found, problems = _specifications(directories)
    kinds = {
        kind: tuple(name for specification in them for name in specification.devices)
        for kind, them in found.items()
    }
    try:
        wanted = (*named, *cdi.names_of(container.device_requests, kinds))
    except ValueError as error:
        raise errors.OperationFailed(f"{container.name}: {error}", hint=_hint(kinds, problems)) from error
    edits = Edits()
    opened: set[int] = set()
    for name in wanted:
        kind, _, device = name.partition("=")
        source = next((s for s in reversed(found.get(kind, ())) if device in s.devices), None)
        if source is None:
            message = f"{container.name}: no CDI file names the device {name}"
            raise errors.OperationFailed(message, hint=_hint(kinds, problems))
        if id(source) not in opened:
            opened.add(id(source))
            edits = edits.with_those(source.common)
        edits = edits.with_those(source.devices[device])
    return edits


def paths_among(asked: Iterable[Device]) -> tuple[Device, ...]:
    """The devices that are nodes of the host."""
    return tuple(device for device in asked if not cdi.is_name(device.source))


def nodes_of(edits: Edits, name: str) -> tuple[devices.Node, ...]:
    """The device nodes, looked up on the host."""
    return tuple(
        attrs.evolve(
            node,
            mode=node.mode if edit.mode is None else edit.mode,
            uid=node.uid if edit.uid is None else edit.uid,
            gid=node.gid if edit.gid is None else edit.gid,
        )
        for edit in edits.nodes
        for node in devices.granted(
            (Device(source=edit.source, target=edit.path, permissions=edit.permissions),), name
        )
    )


def placed(edits: Edits, root: int, name: str) -> tuple[spec.PlacedMount, ...]:
    """The mounts, with their targets made beneath the container's root."""
    found = []
    for mount in edits.mounts:
        source = Path(mount.source)
        if not source.exists():
            message = f"{name}: a CDI file mounts {mount.source}, which does not exist"
            raise errors.OperationFailed(message, hint="Have the vendor's tool write its CDI files anew.")
        found.append(
            spec.PlacedMount(
                source=mount.source,
                target=targets.prepare(root, mount.target, is_directory=source.is_dir()),
                read_only=mount.read_only,
                propagation=mount.propagation,
                flags=mount.flags,
            )
        )
    return tuple(found)


def _specifications(directories: Iterable[Path]) -> tuple[dict[str, tuple[Specification, ...]], list[str]]:
    """Every readable file by kind, the strongest last; and what is wrong with the others."""
    found: dict[str, tuple[Specification, ...]] = {}
    problems = []
    for directory in directories:
        for path in sorted(directory.glob("*")) if directory.is_dir() else ():
            if path.suffix not in (".json", ".yaml", ".yml"):
                continue
            try:
                specification = cdi.specification_of(_parsed(path))
            except (OSError, ValueError) as error:
                problems.append(f"{path}: {error}")
                continue
            found[specification.kind] = (*found.get(specification.kind, ()), specification)
    return found, problems


def _parsed(path: Path) -> object:
    """Raises ``ValueError`` for anything that is neither JSON nor plain YAML."""
    with open(path, "rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        message = "the file is too large"
        raise ValueError(message)
    if path.suffix == ".json":
        tree: object = json.loads(content)
        return tree
    import yaml  # few containers need it

    try:
        loaded: object = yaml.safe_load(content)
    except yaml.YAMLError as error:
        message = f"no YAML: {error}"
        raise ValueError(message) from error
    return loaded


def _hint(kinds: Mapping[str, tuple[str, ...]], problems: list[str]) -> str:
    if problems:
        return f"There are unusable CDI files: {'; '.join(problems)}."
    if not kinds:
        return (
            "There are no CDI files in /etc/cdi and /var/run/cdi (`nvidia-ctk cdi generate` makes NVIDIA's)."
        )
    listed = ", ".join(f"{kind}={name}" for kind, names in sorted(kinds.items()) for name in names)
    return f"The CDI files of this host name {listed}."
