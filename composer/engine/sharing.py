"""Whose namespaces a container uses, settled to something the runtime can open.

``network_mode``, ``pid``, ``ipc``, ``uts`` and ``cgroup`` may name the host, another service or another
container.  A peer's namespaces are opened here and held by descriptor until the container has been
created: its process may end and its number may be used again, the descriptor still means what it meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import attrs

from composer import errors
from composer.model.container import ContainerSpec
from composer.model.stack import Namespaces

HOST = "host"
SHM = "/dev/shm"  # noqa: S108 -- inside the container
_KINDS = {"network": "net", "pid": "pid", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "user": "user"}
"""Attribute to the name below ``/proc/PID/ns`` (namespaces(7))."""

FindPeer = Callable[[str, str], int]
"""(``service`` or ``container``, name) to the first process of a running container of that name."""


@attrs.frozen(kw_only=True)
class Shared:
    """What is not the container's own.

    ``network`` is ``None`` for the host's, "" for an empty one, a path for a peer's; it counts only when
    ``has_own_network`` is false.  ``shm_of`` is the process whose ``/dev/shm`` comes with its ``ipc``.
    """

    has_own_network: bool = True
    network: str | None = ""
    namespaces: Mapping[str, str] = attrs.field(factory=dict)
    shm_of: int = 0
    descriptors: tuple[int, ...] = ()

    @property
    def path(self) -> str:
        """As ``protocols.NamespaceHandle``: the network namespace's path."""
        return self.network or ""

    def close(self) -> None:
        """Let go of the peers' namespaces."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def has_own_network(namespaces: Namespaces) -> bool:
    """Whether the container joins networks of the stack, rather than somebody's namespace or none."""
    return namespaces.network in ("", "bridge", "default")


def shared_by(spec: ContainerSpec, find: FindPeer) -> Shared:
    """Settle every mode; raises ``OperationFailed`` when a peer does not run."""
    modes = {kind: getattr(spec.namespaces, kind) for kind in _KINDS}
    own_network = has_own_network(spec.namespaces)
    settled: dict[str, str] = {}
    descriptors: list[int] = []
    shm_of = 0
    try:
        for kind, mode in modes.items():
            word, _, name = mode.partition(":")
            if mode == HOST and kind != "user":
                settled[kind] = HOST
            elif name and word in ("service", "container"):
                pid = find(word, name)
                descriptor = _opened(pid, kind, spec.name, name)
                descriptors.append(descriptor)
                settled[kind] = f"/proc/{os.getpid()}/fd/{descriptor}"
                if kind == "ipc":
                    shm_of = pid
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    network = settled.pop("network", "")
    return Shared(
        has_own_network=own_network,
        network=None if network == HOST else network,
        namespaces=settled,
        shm_of=shm_of,
        descriptors=tuple(descriptors),
    )


def _opened(pid: int, kind: str, container: str, peer: str) -> int:
    try:
        return os.open(f"/proc/{pid}/ns/{_KINDS[kind]}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        message = f"{container}: the {kind} namespace of {peer} is gone"
        raise errors.OperationFailed(message, hint=f"{peer} must run.") from error
