"""Platforms as images name them: ``OS/ARCHITECTURE[/VARIANT]`` (OCI image-spec, ``image-index.md``)."""

from __future__ import annotations

import functools
import platform

_MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}


@functools.cache
def architecture_of_host() -> str:
    """The host's architecture, in Go's words."""
    return _MACHINES.get(platform.machine(), platform.machine())


def of_host() -> str:
    """The host's platform."""
    return f"linux/{architecture_of_host()}"


def runs_here(text: str) -> bool:
    """Whether programs of a platform run on this host without emulation; ``text`` may lack the system."""
    system, _, rest = text.lower().rpartition("/") if text.count("/") == 0 else text.lower().partition("/")
    architecture = rest.partition("/")[0]
    return system in ("", "linux") and _ALIASES.get(architecture, architecture) == architecture_of_host()
