"""Rules of the cgroup device controller as people write them (``device_cgroup_rules``)."""

from __future__ import annotations

from typing import Any

_EVERY_ACCESS = frozenset("rwm")


def parsed(text: str) -> dict[str, Any]:
    """``c 1:3 rwm``, ``b *:* m``, ``a *:* rwm`` as the OCI's ``resources.devices``; raises ``ValueError``."""
    words = text.split()
    message = f"{text!r} is no device rule"
    if len(words) != 3 or words[0] not in ("a", "b", "c") or not set(words[2]) <= _EVERY_ACCESS:
        raise ValueError(message)
    major, colon, minor = words[1].partition(":")
    if not colon or not all(part == "*" or (part.isascii() and part.isdecimal()) for part in (major, minor)):
        raise ValueError(message)
    rule: dict[str, Any] = {"allow": True, "type": words[0], "access": words[2]}
    if major != "*":
        rule["major"] = int(major)
    if minor != "*":
        rule["minor"] = int(minor)
    return rule
