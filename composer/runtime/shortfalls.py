"""What a container asks for that this host cannot give, where it runs all the same: said, never silent."""

from __future__ import annotations

from collections.abc import Iterator

from composer.model import security
from composer.model.container import ContainerSpec
from composer.runtime import spec
from composer.runtime.spec import HostFacts


def of(container: ContainerSpec, facts: HostFacts) -> tuple[str, ...]:
    """A sentence for each."""
    return tuple(
        f"{container.name}: {sentence}"
        for sentence in (*_ulimits(container, facts), *_labels(container, facts), *_limits(container, facts))
    )


def _ulimits(container: ContainerSpec, facts: HostFacts) -> Iterator[str]:
    given = {limit["type"]: limit for limit in spec.rlimits_for(container.ulimits, facts)}
    for name, asked in sorted(container.ulimits.items()):
        limit = given[f"RLIMIT_{name.upper()}"]
        most = limit["hard"]
        if asked.hard < 0 <= most < spec.NO_LIMIT or asked.hard > most:
            wanted = "unlimited" if asked.hard < 0 else asked.hard
            yield f"ulimit {name} is {most} and not {wanted}: composer itself may have no more"


def _labels(container: ContainerSpec, facts: HostFacts) -> Iterator[str]:
    try:
        asked = security.parsed(container.security_opt, privileged=False)
    except ValueError:
        return  # the container will not be made, with this as the reason
    if asked.apparmor not in ("", security.UNCONFINED) and not facts.has_apparmor:
        yield f"the AppArmor profile {asked.apparmor} has no effect: this host has no AppArmor"
    if asked.selinux and asked.selinux != ("disable",) and not facts.has_selinux:
        yield "SELinux labels have no effect: this host has no SELinux"


def _limits(container: ContainerSpec, facts: HostFacts) -> Iterator[str]:
    limits = container.limits
    if limits.memory_swap is not None and not facts.has_memory_swap:
        yield "memswap_limit has no effect: the kernel does not count swap"
    if facts.has_one_hierarchy:
        if limits.oom_kill_disable:
            yield "oom_kill_disable has no effect: cgroup v2 has nothing like it"
        if limits.memory_swappiness is not None:
            yield "mem_swappiness has no effect: cgroup v2 has nothing like it"
        if limits.cpu_realtime_period is not None or limits.cpu_realtime_runtime is not None:
            yield "cpu_rt_period and cpu_rt_runtime have no effect: cgroup v2 has nothing like them"
