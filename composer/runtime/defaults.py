"""The security baseline as data: what a container may do when nobody asked for more or less.

At least as tight as Docker's defaults (moby ``daemon/pkg/oci/defaults.go`` and ``caps``, v28): the
same capabilities for compatibility, the same masked and read-only paths, the same devices; a pids
limit, which Docker lacks.  See docs/security.md.
"""

from __future__ import annotations

CAPABILITIES = (
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)

ALL_CAPABILITIES = (
    *CAPABILITIES,
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_BLOCK_SUSPEND",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_READ_SEARCH",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_NET_ADMIN",
    "CAP_NET_BROADCAST",
    "CAP_PERFMON",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_WAKE_ALARM",
)

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)

READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

PIDS_LIMIT = 4096
SHM_SIZE = 64 * 1024 * 1024

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""``PATH`` of a container whose image sets none (as Docker's)."""

DEVICES: tuple[tuple[str, int, int], ...] = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
"""Nodes that the runtime makes (OCI runtime-spec, default devices); listed for the device rules."""


def thermal_throttle_paths(cpus: int) -> tuple[str, ...]:
    """The per-CPU files masked since moby v28 (they reveal other tenants' activity)."""
    return tuple(f"/sys/devices/system/cpu/cpu{cpu}/thermal_throttle" for cpu in range(cpus))


def capabilities(added: tuple[str, ...], dropped: tuple[str, ...]) -> tuple[str, ...]:
    """The set after ``cap_add`` and ``cap_drop``; ``ALL`` works in both, an addition wins over ALL dropped.

    Raises ``ValueError`` for an unknown name.
    """
    add = {normalised(name) for name in added}
    drop = {normalised(name) for name in dropped}
    granted = set() if "ALL" in drop else set(CAPABILITIES)
    if "ALL" in add:
        granted = set(ALL_CAPABILITIES)
    granted |= add - {"ALL"}
    granted -= drop - {"ALL"}
    return tuple(sorted(granted))


def normalised(name: str) -> str:
    """``NET_ADMIN``, ``cap_net_admin`` -> ``CAP_NET_ADMIN``; ``ALL`` stays."""
    upper = name.strip().upper()
    if upper == "ALL":
        return upper
    full = upper if upper.startswith("CAP_") else f"CAP_{upper}"
    if full not in ALL_CAPABILITIES:
        message = f"unknown capability {name!r}"
        raise ValueError(message)
    return full
