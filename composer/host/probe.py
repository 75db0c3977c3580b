"""What this host offers: kernel, cgroups, tools, and what is missing with the package that has it.

Read-only and quick: files of ``/proc`` and ``/sys``, and one version call per tool.  Which OCI
runtime works is not answered here, because only a probe run can tell (``runtime.oci``).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import attrs

from composer.host import process

LAYOUT_NONE, LAYOUT_V1, LAYOUT_HYBRID, LAYOUT_V2 = "none", "v1", "hybrid", "v2"

TOOLS: Mapping[str, tuple[str, ...]] = {
    "crun": ("--version",),
    "runc": ("--version",),
    "conmon": ("--version",),
    "nft": ("--version",),
    "iptables": ("--version",),
    "mmdebstrap": ("--version",),
    "busybox": (),
}
"""What we may run, and how it says its version (busybox does when it is asked nothing)."""

PACKAGES: Mapping[str, tuple[str, str]] = {
    "nft": ("nftables", "nftables"),
    "iptables": ("iptables", "iptables-nft"),
    "mmdebstrap": ("mmdebstrap", "mmdebstrap"),
    "busybox": ("busybox-static", "busybox"),
}
"""Packages of Debian and of Fedora where they are not called like the tool."""

_SECONDS = 5.0


@attrs.frozen(kw_only=True)
class HostFacts:
    """One look at the host.  ``tools`` maps a tool to its version, "" when it is not installed."""

    kernel: str
    cgroup_layout: str
    has_overlay: bool
    has_seccomp: bool
    security_modules: tuple[str, ...]
    is_docker_running: bool
    tools: Mapping[str, str]
    missing: tuple[str, ...]


def probe_host() -> HostFacts:
    """Look at everything."""
    tools = {tool: _version(tool, arguments) for tool, arguments in TOOLS.items()}
    return HostFacts(
        kernel=os.uname().release,
        cgroup_layout=cgroup_layout(_read("/proc/self/mounts")),
        has_overlay="\toverlay\n" in _read("/proc/filesystems"),
        has_seccomp=Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
        security_modules=tuple(filter(None, _read("/sys/kernel/security/lsm").strip().split(","))),
        is_docker_running=_runs("dockerd"),
        tools=tools,
        missing=missing_in(tools),
    )


def _runs(program: str) -> bool:
    """Whether a process of that name lives (its socket may be anywhere)."""
    return any(_read(f"{entry}/comm").strip() == program for entry in Path("/proc").glob("[0-9]*"))


def cgroup_layout(mounts: str) -> str:
    """The layout that a mount table (proc_mounts(5)) shows: cgroups(7) v1, v2 or systemd's hybrid."""
    fields = [line.split(" ") for line in mounts.splitlines()]
    kinds = {words[2]: words[1] for words in fields if len(words) > 2}
    if "cgroup2" in kinds:
        return LAYOUT_HYBRID if "cgroup" in kinds else LAYOUT_V2
    return LAYOUT_V1 if "cgroup" in kinds else LAYOUT_NONE


def missing_in(tools: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence per absent tool; of the two OCI runtimes one is enough."""
    has_runtime = bool(tools.get("crun") or tools.get("runc"))
    spare = ("crun", "runc") if has_runtime else ()
    absent = [tool for tool, version in tools.items() if not version and tool not in spare]
    sentences = []
    for tool in absent:
        debian, fedora = PACKAGES.get(tool, (tool, tool))
        sentences.append(f"{tool} (Debian: {debian}, Fedora: {fedora})")
    return tuple(sentences)


def _version(tool: str, arguments: tuple[str, ...]) -> str:
    """The first line a tool says of itself; "" when it is not installed."""
    path = shutil.which(tool, path=process.ENVIRONMENT["PATH"])
    if path is None:
        return ""
    said = process.run([path, *arguments], seconds=_SECONDS)
    lines = (said.output or said.error).decode("utf-8", errors="replace").splitlines()
    return lines[0].strip() if lines else path


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
