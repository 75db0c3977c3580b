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

_IN_KERNEL_ORDER = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP
MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITY_NUMBERS = {f"CAP_{name}": number for number, name in enumerate(_IN_KERNEL_ORDER.split())}
"""Bits of the kernel's sets (``linux/capability.h``)."""

ALL_CAPABILITIES = tuple(CAPABILITY_NUMBERS)

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
