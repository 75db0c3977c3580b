"""Kernel parameters below ``/proc/sys`` (those of ``net`` belong to the calling thread's namespace)."""

from __future__ import annotations

from composer import errors


def read(name: str) -> str | None:
    """The value of ``net/ipv4/ip_forward`` and the like; ``None`` when the kernel has no such thing."""
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def write(name: str, value: str) -> None:
    """Set a parameter unless it is so already; raises ``NetworkFailure``."""
    if read(name) == value:
        return
    try:
        with open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        message = f"sysctl {name.replace('/', '.')}={value}: {error.strerror}"
        raise errors.NetworkFailure(message) from error


def write_if_known(name: str, value: str) -> None:
    """As ``write``; nothing happens when this kernel lacks the parameter (no IPv6, say)."""
    if read(name) is not None:
        write(name, value)
