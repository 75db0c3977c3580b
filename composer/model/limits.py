"""What a container may use up: memory, processors, processes, block devices, ``ulimit``."""

from __future__ import annotations

import attrs

from composer.model.quantity import ByteSize

UNLIMITED = -1
"""A ulimit without bound (``RLIM_INFINITY``)."""


@attrs.frozen(kw_only=True)
class Ulimit:
    """A soft and a hard limit (setrlimit(2)); -1 is no limit."""

    soft: int
    hard: int


@attrs.frozen(kw_only=True)
class DeviceRate:
    """A bound for one block device: bytes or operations per second."""

    path: str
    rate: int


@attrs.frozen(kw_only=True)
class DeviceWeight:
    """A share of one block device, 10 to 1000."""

    path: str
    weight: int


@attrs.frozen(kw_only=True)
class BlockIo:
    """``blkio_config``: shares and bounds of block devices (cgroups(7), ``io`` and ``blkio``)."""

    weight: int = 0
    weight_device: tuple[DeviceWeight, ...] = ()
    device_read_bps: tuple[DeviceRate, ...] = ()
    device_read_iops: tuple[DeviceRate, ...] = ()
    device_write_bps: tuple[DeviceRate, ...] = ()
    device_write_iops: tuple[DeviceRate, ...] = ()


@attrs.frozen(kw_only=True)
class Limits:
    """Resource limits of one container; ``None`` is the default of the host or of composer.

    Periods, quotas and real-time slices are in microseconds; ``memory_swap`` is memory and swap
    together (-1: as much swap as there is); ``cpus`` and a quota exclude each other.
    """

    memory: ByteSize | None = None
    memory_reservation: ByteSize | None = None
    memory_swap: ByteSize | None = None
    memory_swappiness: int | None = None
    cpus: float | None = None
    cpu_shares: int | None = None
    cpu_period: int | None = None
    cpu_quota: int | None = None
    cpu_realtime_period: int | None = None
    cpu_realtime_runtime: int | None = None
    cpuset: str | None = None
    pids: int | None = None
    block_io: BlockIo | None = None
    oom_kill_disable: bool = False
