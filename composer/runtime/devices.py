"""Device nodes: what the host has, which of it a container gets, and the rules that allow it.

A device of the host is looked up by its path and passed by number, so that the image cannot say what
a path means (OCI runtime-spec, ``config-linux.md``, "Devices").
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from composer import errors
from composer.model.stack import Device

Config = dict[str, Any]

_EVERY_ACCESS = "rwm"
_NOT_OF_THE_HOST = frozenset({"pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts", ".udev"})
"""Below ``/dev``: what each container has of its own (as runc's list of host devices)."""


@attrs.frozen(kw_only=True)
class Node:
    """A device node as the container is to have it."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int = 0o600
    uid: int = 0
    gid: int = 0
    access: str = _EVERY_ACCESS


def granted(devices: Iterable[Device], name: str) -> tuple[Node, ...]:
    """The nodes of ``devices``; a directory gives all below it.  Raises ``OperationFailed``."""
    found: dict[str, Node] = {}
    for device in devices:
        target = device.target or device.source
        nodes = list(_nodes_at(Path(device.source), target, device.permissions or _EVERY_ACCESS))
        if not nodes:
            message = f"{name}: {device.source} is no device of this host"
            raise errors.OperationFailed(message, hint="Look at devices; a node or a directory of nodes.")
        found.update((node.path, node) for node in nodes)
    return tuple(found.values())


def every() -> tuple[Node, ...]:
    """Every device of the host, for ``privileged``."""
    found: list[Node] = []
    for entry in sorted(os.scandir("/dev"), key=lambda entry: entry.name):
        if entry.name not in _NOT_OF_THE_HOST:
            found.extend(_nodes_at(Path(entry.path), entry.path, _EVERY_ACCESS, follow=False))
    return tuple(found)


def numbers_of(paths: Iterable[str], name: str) -> dict[str, tuple[int, int]]:
    """Major and minor of block devices; raises ``OperationFailed`` for anything else."""
    found = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            status = None
        if status is None or not stat.S_ISBLK(status.st_mode):
            message = f"{name}: {path} is no block device of this host"
            raise errors.OperationFailed(message, hint="Look at blkio_config.")
        found[path] = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return found


def entry_of(node: Node) -> Config:
    """The node in ``linux.devices``."""
    return {
        "path": node.path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }


def rule_of(node: Node) -> Config:
    """The rule that lets the container use it."""
    return {
        "allow": True,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "access": node.access,
    }


def _nodes_at(source: Path, target: str, access: str, *, follow: bool = True) -> Iterator[Node]:
    try:
        status = source.stat() if follow else source.lstat()
    except OSError:
        return
    if stat.S_ISDIR(status.st_mode):
        for entry in sorted(source.iterdir()):
            yield from _nodes_at(entry, f"{target.rstrip('/')}/{entry.name}", access, follow=False)
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        yield Node(
            path=target,
            kind="c" if stat.S_ISCHR(status.st_mode) else "b",
            major=os.major(status.st_rdev),
            minor=os.minor(status.st_rdev),
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            access=access,
        )
