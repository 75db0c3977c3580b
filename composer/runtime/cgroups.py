"""The cgroup of a container: where it is on v1, hybrid and v2 hosts; its processes; its removal.

The path is flat and derived (``/composer-<hash>``), directly below each hierarchy's root, so that
nothing of ours is left once it is removed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from composer.host import mounts, process
from composer.model import names
from composer.runtime import resources
from composer.runtime.defaults import PIDS_LIMIT

if TYPE_CHECKING:
    from composer.model.limits import Limits

ROOT = Path("/sys/fs/cgroup")
REMOVAL_DEADLINE = 5.0
DEFAULT_SHARES = 1024
"""``cpu.shares`` of a container that was given none."""
FREEZE_DEADLINE = 10.0
"""Seconds within which every process must be frozen: one in an uninterruptible sleep never is."""


def path_of(container_id: str, store: str) -> str:
    """The ``cgroupsPath`` of a container of the store."""
    return f"/composer-{names.short_hash('cgroup', store, container_id)}"


@functools.cache
def hierarchies() -> tuple[Path, ...]:
    """The mount points of every hierarchy: one on v2, one per controller on v1."""
    if (ROOT / "cgroup.controllers").exists():
        return (ROOT,)
    found = []
    with open("/proc/thread-self/mounts", encoding="utf-8", errors="replace") as table:
        for line in table:
            fields = line.split(" ")
            if fields[2] in ("cgroup", "cgroup2") and fields[1].startswith(str(ROOT)):
                found.append(Path(fields[1]))
    return tuple(found)


def _processes(path: str) -> set[int]:
    found: set[int] = set()
    for hierarchy in hierarchies():
        try:
            content = (hierarchy / path.lstrip("/") / "cgroup.procs").read_text("ascii")
        except OSError:
            continue
        found.update(int(line) for line in content.split())
    return found


def processes_below(path: str) -> frozenset[int]:
    """Every process of the cgroup and of those that the container made below it."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for directory, _, names_of_files in os.walk(hierarchy / path.lstrip("/")):
            if "cgroup.procs" in names_of_files:
                try:
                    text = Path(directory, "cgroup.procs").read_text("ascii")
                except OSError:
                    continue
                found.update(map(int, text.split()))
    return frozenset(found)


def freeze(path: str) -> bool:
    """Freeze every process of the cgroup; returns whether all are before the deadline.

    A v1 freezer may stay at ``FREEZING`` when a process was forked meanwhile, until it is told again
    (kernel, ``cgroup-v1/freezer-subsystem.rst``).
    """
    file, frozen, _thawed = _freezer(path)
    deadline = time.monotonic() + FREEZE_DEADLINE
    while True:
        try:
            file.write_text(frozen)
        except OSError:
            return False
        if is_frozen(path):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)


def thaw(path: str) -> None:
    """Let the processes of the cgroup go on; nothing happens when there is no such cgroup."""
    file, _frozen, thawed = _freezer(path)
    try:
        file.write_text(thawed)
    except OSError:
        return


def is_frozen(path: str) -> bool:
    """Whether every process of the cgroup is frozen (v2 ``cgroup.events``, v1 ``freezer.state``)."""
    file, frozen, _thawed = _freezer(path)
    try:
        if file.name == "freezer.state":
            return file.read_text("ascii").strip() == frozen
        return "frozen 1" in file.with_name("cgroup.events").read_text("ascii")
    except OSError:
        return False


def _freezer(path: str) -> tuple[Path, str, str]:
    """The file that freezes, and what to write into it to freeze and to thaw."""
    for hierarchy in hierarchies():
        directory = hierarchy / path.lstrip("/")
        if (directory / "freezer.state").exists():
            return directory / "freezer.state", "FROZEN", "THAWED"
    return hierarchies()[0] / path.lstrip("/") / "cgroup.freeze", "1", "0"


def kill_all(path: str) -> None:
    """SIGKILL every process of the cgroup, until there is none (bounded)."""
    deadline = time.monotonic() + REMOVAL_DEADLINE
    while victims := _processes(path):
        for pid in victims:
            identity = process.identity_of(pid)
            if identity is not None:
                process.send_signal(identity, signal.SIGKILL)
        thaw(path)  # a process that a v1 freezer holds does not die before it is let go
        if time.monotonic() > deadline:
            return
        time.sleep(0.002)


def remove(path: str) -> None:
    """Remove the cgroup from every hierarchy, its children first; waits (bounded) for its processes."""
    deadline = time.monotonic() + REMOVAL_DEADLINE
    shadow = Path(mounts.UNIFIED)
    if shadow not in hierarchies():
        # Where the v2 mount is hidden from crun, it keeps a directory with a plain file all the same.
        shutil.rmtree(shadow / path.lstrip("/"), ignore_errors=True)
    for hierarchy in hierarchies():
        directory = hierarchy / path.lstrip("/")
        while True:
            try:
                directory.rmdir()
            except FileNotFoundError:
                break
            except OSError:
                _remove_children(directory)
                if time.monotonic() > deadline:
                    break
                time.sleep(0.002)
            else:
                break


def exists(path: str) -> bool:
    """Whether any hierarchy has a cgroup there."""
    return any((hierarchy / path.lstrip("/")).is_dir() for hierarchy in hierarchies())


def remove_empty(path: str) -> bool:
    """Remove a cgroup without processes and children from every hierarchy; whether none is left."""
    if len(Path(path).parts) > 1:
        for hierarchy in hierarchies():
            with contextlib.suppress(OSError):
                (hierarchy / path.lstrip("/")).rmdir()
    return not exists(path)


def _remove_children(directory: Path) -> None:
    """A container may have made cgroups below its own."""
    try:
        children = [entry for entry in directory.iterdir() if entry.is_dir()]
    except OSError:
        return
    for child in children:
        _remove_children(child)
        try:
            child.rmdir()
        except OSError:
            continue


def was_oom_killed(path: str) -> bool:
    """Whether the kernel's OOM killer struck in this cgroup (v2 ``memory.events``, v1 ``oom_control``)."""
    for hierarchy in hierarchies():
        if hierarchy not in (ROOT, ROOT / "memory"):
            continue
        name = "memory.events" if hierarchy == ROOT else "memory.oom_control"
        try:
            with open(hierarchy / path.lstrip("/") / name, encoding="ascii") as file:
                counts = dict(line.split() for line in file)
        except (OSError, ValueError):
            continue
        return counts.get("oom_kill", "0") != "0"
    return False


def write_limits(path: str, limits: Limits) -> None:
    """Set the limits of a living cgroup; ``None`` lifts one (pids: back to the default).

    Written by us and not through the runtime's ``update``: crun 1.8 cannot lift a v1 cpu quota.
    """
    directory = path.lstrip("/")
    for name, value in limit_files(limits):
        for hierarchy in hierarchies():
            file = hierarchy / directory / name
            if file.exists():
                # An empty set of processors means all of them on v2; on v1 it has to be the parent's.
                file.write_text(value or (file.parent.parent / name).read_text("ascii") or "\n")


def limit_files(limits: Limits) -> tuple[tuple[str, str], ...]:
    """File names and values, v2 and v1, in an order that the kernel takes (cgroups(7)).

    It keeps memory <= memory and swap at every moment, and a quota within its period: such a pair is
    lifted before it is set anew.
    """
    pids = PIDS_LIMIT if limits.pids is None else limits.pids
    memory = limits.memory if limits.memory is not None and limits.memory > 0 else None
    total = resources.swap_of(limits)
    is_swap_bounded = total is not None and total > 0
    swap = max(0, (total or 0) - int(memory or 0)) if is_swap_bounded else None
    reserved = limits.memory_reservation or 0
    quota, period = resources.quota_of(limits) or (-1, resources.PERIOD)
    shares = limits.cpu_shares or DEFAULT_SHARES
    weight = limits.block_io.weight if limits.block_io is not None else 0
    return (
        ("pids.max", str(pids) if pids > 0 else "max"),
        ("memory.max", "max" if memory is None else str(int(memory))),
        ("memory.swap.max", "max" if swap is None else str(swap)),
        ("memory.low", str(int(reserved))),
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", "-1" if memory is None else str(int(memory))),
        ("memory.memsw.limit_in_bytes", str(total) if is_swap_bounded else "-1"),
        ("memory.soft_limit_in_bytes", str(int(reserved)) if reserved else "-1"),
        *(
            (("memory.swappiness", str(limits.memory_swappiness)),)
            if limits.memory_swappiness is not None
            else ()
        ),
        ("cpu.max", f"{quota if quota > 0 else 'max'} {period}"),
        ("cpu.weight", str(1 + (shares - 2) * 9999 // 262142)),
        ("cpu.cfs_quota_us", "-1"),
        ("cpu.cfs_period_us", str(period)),
        ("cpu.cfs_quota_us", str(quota)),
        ("cpu.shares", str(shares)),
        ("cpuset.cpus", limits.cpuset or ""),
        *((("blkio.weight", str(weight)), ("io.bfq.weight", str(weight))) if weight else ()),
    )
