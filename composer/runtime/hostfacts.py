"""What the OCI configuration has to know of this host, looked up once per process."""

from __future__ import annotations

import functools
import os
import resource
from pathlib import Path

from composer.host import process
from composer.runtime import cgroups, defaults
from composer.runtime.spec import HostFacts


@functools.cache
def host_facts() -> HostFacts:
    """What the specification needs to know of this host."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    capabilities = process.bounding_capabilities()
    return HostFacts(
        cpus=os.cpu_count() or 1,
        nofile_hard=1048576 if hard == resource.RLIM_INFINITY else min(hard, 1048576),
        has_memory_swap=any(
            (hierarchy / name).exists()
            for hierarchy in cgroups.hierarchies()
            for name in ("memory.memsw.limit_in_bytes", "cgroup.controllers")
        ),
        has_one_hierarchy=(cgroups.ROOT / "cgroup.controllers").exists(),
        has_apparmor=_says("/sys/module/apparmor/parameters/enabled", "Y"),
        has_selinux=Path("/sys/fs/selinux/enforce").exists(),
        capabilities=frozenset(
            name for name, number in defaults.CAPABILITY_NUMBERS.items() if capabilities >> number & 1
        ),
        hard_limits={}
        if capabilities >> defaults.CAPABILITY_NUMBERS["CAP_SYS_RESOURCE"] & 1
        else _hard_limits(),
    )


def _says(path: str, word: str) -> bool:
    try:
        return Path(path).read_text("ascii").strip() == word
    except OSError:
        return False


def _hard_limits() -> dict[str, int]:
    """Our own hard limits, which are the highest that we can hand on without ``CAP_SYS_RESOURCE``."""
    found = {}
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            _, hard = resource.getrlimit(getattr(resource, name))
            if hard != resource.RLIM_INFINITY:
                found["RLIMIT_NOFILE" if name == "RLIMIT_OFILE" else name] = hard
    return found
