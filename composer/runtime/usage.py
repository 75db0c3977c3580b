"""What a container uses, from cgroup files of v1, v2 and hybrid hosts and its network namespace.

The parsers are pure; ``read`` takes the files.  Figures are those of ``docker stats``: memory without
the inactive part of the page cache, block input and output of all devices, bytes of all interfaces
but loopback.  Sources: the kernel's ``cgroup-v2.rst``, ``cgroup-v1/memory.rst`` and ``blkio-controller.rst``,
``/proc/PID/net/dev`` (proc_pid_net(5)).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import attrs

from composer.runtime import cgroups

UNLIMITED = 1 << 62
"""A v1 memory limit that is none: the kernel shows the largest multiple of a page."""

ReadFile = Callable[[str], str | None]
"""The content of a file of the cgroup by its name, ``None`` where there is no such file."""


@attrs.frozen(kw_only=True)
class Usage:
    """One sample.  ``cpu`` is in nanoseconds since the start, ``limit`` 0 where there is none."""

    time: float = 0.0
    cpu: int = 0
    memory: int = 0
    limit: int = 0
    read: int = 0
    written: int = 0
    received: int = 0
    sent: int = 0
    processes: int = 0


def from_cgroup(read: ReadFile) -> Usage:
    """The figures that the cgroup's files give; what a host does not have is 0."""
    is_unified = read("cpu.stat") is not None and "usage_usec" in (read("cpu.stat") or "")
    return Usage(
        cpu=_cpu_v2(read) if is_unified else _number(read("cpuacct.usage")),
        memory=_memory(read),
        limit=_limit(read),
        read=_block(read, "rbytes", "Read"),
        written=_block(read, "wbytes", "Write"),
        processes=_number(read("pids.current")) or len((read("cgroup.procs") or "").split()),
    )


def _cpu_v2(read: ReadFile) -> int:
    return _keyed(read("cpu.stat")).get("usage_usec", 0) * 1000


def _memory(read: ReadFile) -> int:
    """In use without ``inactive_file``, which the kernel gives back whenever it is wanted."""
    cached = _keyed(read("memory.stat"))
    current = read("memory.current")
    if current is not None:
        return max(0, _number(current) - cached.get("inactive_file", 0))
    return max(0, _number(read("memory.usage_in_bytes")) - cached.get("total_inactive_file", 0))


def _limit(read: ReadFile) -> int:
    text = (read("memory.max") or read("memory.limit_in_bytes") or "").strip()
    value = _number(text)
    return value if value < UNLIMITED else 0


def _block(read: ReadFile, name: str, operation: str) -> int:
    """``8:0 rbytes=1 wbytes=2 ...`` (v2), ``8:0 Read 1`` (v1)."""
    text = read("io.stat")
    if text is not None:
        pairs = (word.partition("=") for word in text.split() if "=" in word)
        return sum(int(value) for key, _, value in pairs if key == name and value.isdecimal())
    text = read("blkio.throttle.io_service_bytes_recursive") or read("blkio.throttle.io_service_bytes") or ""
    fields = [line.split() for line in text.splitlines()]
    return sum(int(words[2]) for words in fields if len(words) == 3 and words[1] == operation)


def _keyed(text: str | None) -> dict[str, int]:
    """Lines of a word and a number."""
    lines = [line.split() for line in (text or "").splitlines()]
    return {words[0]: int(words[1]) for words in lines if len(words) == 2 and words[1].isdecimal()}


def _number(text: str | None) -> int:
    word = (text or "").strip()
    return int(word) if word.isdecimal() else 0


def from_interfaces(text: str) -> tuple[int, int]:
    """Bytes received and sent, from ``/proc/PID/net/dev``."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, counters = line.partition(":")
        words = counters.split()
        if name.strip() != "lo" and len(words) >= 9:
            received += int(words[0])
            sent += int(words[8])
    return received, sent


def cpu_share(before: Usage, now: Usage) -> float:
    """The percentage of one processor used between two samples (200 is two of them)."""
    elapsed = now.time - before.time
    return max(0.0, (now.cpu - before.cpu) / (elapsed * 1e7)) if elapsed > 0 else 0.0


def read(cgroup: str, pid: int) -> Usage:
    """A sample of a running container by its cgroup's path and its first process."""

    def file(name: str) -> str | None:
        for hierarchy in cgroups.hierarchies():
            try:
                return (hierarchy / cgroup.lstrip("/") / name).read_text("ascii", errors="replace")
            except OSError:
                continue
        return None

    try:
        with open(f"/proc/{pid}/net/dev", encoding="ascii", errors="replace") as table:
            received, sent = from_interfaces(table.read())
    except OSError:
        received = sent = 0
    sample = from_cgroup(file)
    limit = sample.limit or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return attrs.evolve(sample, time=time.monotonic(), received=received, sent=sent, limit=limit)
