"""Identities of processes as files of a bundle: pid, start time and boot id in one line."""

from __future__ import annotations

from pathlib import Path

from composer.model.protocols import ProcessIdentity


def write(path: Path, identity: ProcessIdentity) -> None:
    """Publish one, whole or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(f"{identity.pid} {identity.start_time} {identity.boot_id}\n")
    temporary.replace(path)


def read(path: Path) -> ProcessIdentity | None:
    """The identity in a file; ``None`` when there is none."""
    try:
        with open(path, encoding="ascii") as file:
            pid, start_time, boot_id = file.read().split()
        return ProcessIdentity(pid=int(pid), start_time=int(start_time), boot_id=boot_id)
    except (OSError, ValueError):
        return None
