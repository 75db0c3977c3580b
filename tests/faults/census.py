"""What a run leaves behind in the kernel and the process table."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

Census = dict[str, list[str]]


def lines(*argv: str) -> list[str]:
    """The lines that a tool prints."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def mounts_of(marker: str) -> list[str]:
    """Mounts of any living process's namespace that name the marker."""
    found: dict[str, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            namespace = os.readlink(entry / "ns/mnt")
            if namespace not in found:
                found[namespace] = (entry / "mountinfo").read_text(errors="replace")
        except OSError:
            continue
    return sorted(
        {line.split()[4] for text in found.values() for line in text.splitlines() if marker in line}
    )


def processes_of(marker: str) -> list[str]:
    """Living processes that name the marker in their command or as their ``COMPOSER_RUN``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if marker in command or f"COMPOSER_RUN={marker}" in environment:
            found.append(command[:120])
    return sorted(found)


def settled(look: Callable[[], Census], wanted: Census, *, seconds: float = 5.0) -> Census:
    """The census, once it equals ``wanted`` or the kernel had its time to finish what it does on its own."""
    deadline = time.monotonic() + seconds
    while True:
        census = look()
        if census == wanted or time.monotonic() > deadline:
            return census
        time.sleep(0.05)
