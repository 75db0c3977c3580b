"""Repairs that need no stack file: what the kernel lost of recorded networks and links.

A network of another stack that our containers are on is repaired as well: its own supervisor does the
same, if it lives, and doing it twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.model.plan import Plan, ReconnectContainer, RepairNetwork
from composer.planner.draft import Draft

if TYPE_CHECKING:
    from composer.model.container import Observed


def plan_heal(observed: Observed) -> Plan:
    """Networks first, then the containers that lost their link to one."""
    draft = Draft()
    repairs = {
        name: draft.add(RepairNetwork(spec=network.spec), network.damage)
        for name, network in sorted({**observed.foreign, **observed.networks}.items())
        if network.damage
    }
    for container in observed.containers:
        if not container.is_running:
            continue
        for network in sorted(container.spec.memberships):
            is_known = network in observed.networks or network in observed.foreign
            if network in container.attached or not is_known:
                continue
            operation = ReconnectContainer(
                id=container.id, name=container.name, service=container.spec.service, network=network
            )
            after = [repairs[network]] if network in repairs else []
            draft.add(operation, f"network {network} was detached", after)
    return draft.plan()
