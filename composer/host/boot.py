"""Which boot of the kernel this is: pids, mounts and namespaces of another boot mean nothing."""

from __future__ import annotations

import functools


@functools.cache
def boot_id() -> str:
    """The kernel's random id of this boot (random(4), ``/proc/sys/kernel/random/boot_id``)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
