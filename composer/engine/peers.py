"""Other containers that a container's settings speak of: ``service:NAME`` and ``container:NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer import errors
from composer.model.container import ContainerSpec

_LONGEST_CHAIN = 16
"""Of containers that share the network of one that shares the network of another."""

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord


def candidates(drivers: Drivers, spec: ContainerSpec, kind: str, name: str) -> tuple[ContainerRecord, ...]:
    """The complete containers that may be meant, the likeliest first; a service's by number."""
    if kind == "service":
        return tuple(
            record
            for record in drivers.records.containers(spec.stack)
            if record.spec.service == name and record.phase == "ready" and not record.spec.one_off
        )
    return drivers.records.containers_named(name)


def named_as(drivers: Drivers, record: ContainerRecord) -> ContainerRecord:
    """Whose host name, hosts and resolver a container has: his whose network it shares, else its own."""
    for _ in range(_LONGEST_CHAIN):
        kind, _, name = record.spec.namespaces.network.partition(":")
        if kind not in ("service", "container") or not name:
            break
        peer = next(
            (one for one in candidates(drivers, record.spec, kind, name) if _pid_of(drivers, one)), None
        )
        if peer is None:
            break
        record = peer
    return record


def _pid_of(drivers: Drivers, record: ContainerRecord) -> int:
    state = drivers.runtime.state(record.id)
    return state.init.pid if state.is_running and state.init is not None else 0


def first_process_of(drivers: Drivers, spec: ContainerSpec, kind: str, name: str) -> int:
    """The first process of a running one; raises ``OperationFailed`` when none runs."""
    for record in candidates(drivers, spec, kind, name):
        pid = _pid_of(drivers, record)
        if pid:
            return pid
    message = f"{spec.name}: {kind} {name}, whose namespace it shares, does not run"
    raise errors.OperationFailed(message, hint=f"Start {name} first.")
