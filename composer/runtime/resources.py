"""Limits and device rules as OCI ``resources`` (runtime-spec v1.0.2, ``config-linux.md``).

The runtime maps them to cgroup v1 or v2.  Devices that limits speak of are looked up before
(``devices.numbers_of``); here is arithmetic only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.model.limits import BlockIo, Limits
from composer.runtime import defaults

Config = dict[str, Any]
Numbers = Mapping[str, tuple[int, int]]
"""Major and minor number of each block device, by path."""

PERIOD = 100_000
"""Microseconds: the kernel's default ``cpu.cfs_period_us``."""


def resources_for(
    limits: Limits,
    *,
    has_swap: bool = True,
    device_rules: tuple[Config, ...] = (),
    allows_every_device: bool = False,
    numbers: Numbers | None = None,
) -> Config:
    """The whole section."""
    resources: Config = {
        "pids": {"limit": defaults.PIDS_LIMIT if limits.pids is None else _unlimited(limits.pids)},
        "devices": [{"allow": True, "access": "rwm"}]
        if allows_every_device
        else [*base_device_rules(), *device_rules],
    }
    for key, section in (
        ("memory", _memory(limits, has_swap=has_swap)),
        ("cpu", _cpu(limits)),
        ("blockIO", _block_io(limits.block_io, numbers or {}) if limits.block_io else {}),
    ):
        if section:
            resources[key] = section
    return resources


def base_device_rules() -> list[Config]:
    """Deny all, then allow what every container has."""
    return [
        {"allow": False, "access": "rwm"},
        # Making a node is harmless while opening it is denied (Docker's rule for builds).
        {"allow": True, "type": "c", "access": "m"},
        {"allow": True, "type": "b", "access": "m"},
        *(
            {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
            for _path, major, minor in defaults.DEVICES
        ),
        {"allow": True, "type": "c", "major": 5, "minor": 1, "access": "rwm"},
        {"allow": True, "type": "c", "major": 5, "minor": 2, "access": "rwm"},
        {"allow": True, "type": "c", "major": 136, "access": "rwm"},
    ]


def swap_of(limits: Limits) -> int | None:
    """Memory and swap together, in bytes; -1 is no bound, ``None`` the host's default.

    What nobody wrote is twice the memory, as Docker has it.
    """
    if limits.memory_swap:
        return int(limits.memory_swap)
    if limits.memory is None:
        return None
    return int(limits.memory) * 2 if limits.memory > 0 else -1


def quota_of(limits: Limits) -> tuple[int, int] | None:
    """(quota, period) in microseconds; quota -1 is no bound."""
    if limits.cpus is not None:
        return int(limits.cpus * PERIOD) or -1, PERIOD
    if limits.cpu_quota is not None or limits.cpu_period is not None:
        return limits.cpu_quota or -1, limits.cpu_period or PERIOD
    return None


def _memory(limits: Limits, *, has_swap: bool) -> Config:
    memory: Config = {}
    if limits.memory is not None:
        memory["limit"] = int(limits.memory)
    if limits.memory_reservation is not None:
        memory["reservation"] = int(limits.memory_reservation)
    swap = swap_of(limits)
    if has_swap and swap is not None:
        memory["swap"] = swap
    if limits.memory_swappiness is not None:
        memory["swappiness"] = limits.memory_swappiness
    if limits.oom_kill_disable:
        memory["disableOOMKiller"] = True
    return memory


def _cpu(limits: Limits) -> Config:
    cpu: Config = {}
    quota = quota_of(limits)
    if quota is not None:
        cpu["quota"], cpu["period"] = quota
    for key, value in (
        ("shares", limits.cpu_shares),
        ("realtimePeriod", limits.cpu_realtime_period),
        ("realtimeRuntime", limits.cpu_realtime_runtime),
        ("cpus", limits.cpuset),
    ):
        if value is not None:
            cpu[key] = value
    return cpu


def _block_io(block_io: BlockIo, numbers: Numbers) -> Config:
    section: Config = {}
    if block_io.weight:
        section["weight"] = block_io.weight
    if block_io.weight_device:
        section["weightDevice"] = [
            {"major": numbers[entry.path][0], "minor": numbers[entry.path][1], "weight": entry.weight}
            for entry in block_io.weight_device
        ]
    for key, rates in (
        ("throttleReadBpsDevice", block_io.device_read_bps),
        ("throttleReadIOPSDevice", block_io.device_read_iops),
        ("throttleWriteBpsDevice", block_io.device_write_bps),
        ("throttleWriteIOPSDevice", block_io.device_write_iops),
    ):
        if rates:
            section[key] = [
                {"major": numbers[entry.path][0], "minor": numbers[entry.path][1], "rate": int(entry.rate)}
                for entry in rates
            ]
    return section


def devices_limited(limits: Limits) -> tuple[str, ...]:
    """Paths of the block devices that the limits speak of."""
    block_io = limits.block_io
    if block_io is None:
        return ()
    rates = (
        *block_io.device_read_bps,
        *block_io.device_read_iops,
        *block_io.device_write_bps,
        *block_io.device_write_iops,
    )
    paths = [entry.path for entry in block_io.weight_device] + [entry.path for entry in rates]
    return tuple(dict.fromkeys(paths))


def _unlimited(value: int) -> int:
    return value if value > 0 else -1
