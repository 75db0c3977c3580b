"""Other containers that a container's settings speak of: ``service:NAME`` and ``container:NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer import errors
from composer.model.container import ContainerSpec

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


def first_process_of(drivers: Drivers, spec: ContainerSpec, kind: str, name: str) -> int:
    """The first process of a running one; raises ``OperationFailed`` when none runs."""
    for record in candidates(drivers, spec, kind, name):
        state = drivers.runtime.state(record.id)
        if state.is_running and state.init is not None:
            return state.init.pid
    message = f"{spec.name}: {kind} {name}, whose namespace it shares, does not run"
    raise errors.OperationFailed(message, hint=f"Start {name} first.")
