"""Platforms as images name them: ``OS/ARCHITECTURE[/VARIANT]`` (OCI image-spec, ``image-index.md``)."""

from __future__ import annotations

import functools
import platform
import re
from collections.abc import Iterable

from composer.model.distribution import Descriptor, Platform

_PLATFORM = re.compile(r"[a-z0-9_.-]+(?:/[a-z0-9_.-]+){0,2}", re.ASCII)

_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
}
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
}
_OLDEST_FIRST = {"arm": ("v5", "v6", "v7", "v8"), "amd64": ("v1", "v2", "v3", "v4"), "arm64": ("v8", "v9")}
"""The variants of an architecture: a machine runs its own and those before it."""

_DEFAULT_VARIANT = {"arm": "v7", "amd64": "v1", "arm64": "v8"}


def of_host() -> str:
    """The host's platform."""
    return str(this_host())


@functools.cache
def this_host() -> Platform:
    """What programs must be made for to run here without emulation."""
    machine = platform.machine()
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform(architecture=architecture, variant=variant)


def parse(text: str) -> Platform:
    """Read ``linux/arm64/v8``, ``arm64`` or ``linux``; raises ``ValueError`` for anything else."""
    if _PLATFORM.fullmatch(text.lower()) is None:
        message = f"invalid platform {text!r}"
        raise ValueError(message)
    parts = text.lower().split("/")
    host = this_host()
    if len(parts) == 1:
        if parts[0] in ("linux", "windows", "darwin", "freebsd"):
            return Platform(os=parts[0], architecture=host.architecture, variant=host.variant)
        parts = ["linux", *parts]
    architecture, variant = _ALIASES.get(parts[1], (parts[1], ""))
    return Platform(os=parts[0], architecture=architecture, variant=(parts[2:] or [variant])[0])


def runs_here(text: str) -> bool:
    """Whether programs of a platform run on this host without emulation; ``text`` may lack the system."""
    try:
        wanted = parse(text)
    except ValueError:
        return False
    host = this_host()
    return (wanted.os, wanted.architecture) == (host.os, host.architecture)


def best(candidates: Iterable[Descriptor], wanted: Platform) -> Descriptor | None:
    """The manifest for a platform: the newest variant that it runs, the first of several alike.

    Entries for ``unknown`` (attestations) and entries that name no platform are never chosen.
    """
    ranked = [
        (rank, candidate)
        for candidate in candidates
        if candidate.platform is not None and (rank := _rank(candidate.platform, wanted)) is not None
    ]
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _rank(offered: Platform, wanted: Platform) -> int | None:
    """How good an offer is; ``None`` when it does not run there."""
    if offered.os != wanted.os or offered.architecture != wanted.architecture:
        return None
    variants = _OLDEST_FIRST.get(offered.architecture, ())
    default = _DEFAULT_VARIANT.get(offered.architecture, "")
    has, can = offered.variant or default, wanted.variant or default
    if has == can:
        return len(variants)
    if has not in variants or can not in variants:
        return None
    position = variants.index(has)
    return position if position < variants.index(can) else None
