"""Which services are active: those without profiles, those of active profiles, those named."""

from __future__ import annotations

from collections.abc import Iterable

from composer import errors
from composer.stackfile.canonical import scalar_text
from composer.stackfile.tree import Node, problem


def active_services(
    root: Node, profiles: Iterable[str], named: Iterable[str]
) -> tuple[frozenset[str], list[errors.Problem]]:
    """The active services' names, and dependencies of theirs that are not active."""
    services = root.child("services")
    written = (
        {name: node for name, node in services.entries() if not name.startswith("x-")} if services else {}
    )
    wanted = set(profiles)
    for name in named:
        wanted.update(_profiles(written[name]) if name in written else ())
    active = frozenset(
        name for name, node in written.items()
        if not _profiles(node) or "*" in wanted or wanted & set(_profiles(node)) or name in set(named)
    )  # fmt: skip
    found = []
    for name in sorted(active):
        needed = written[name].child("depends_on")
        for other, condition in needed.entries() if needed else ():
            required = condition.child("required")
            is_required = required is None or required.value is not False
            if other in written and other not in active and is_required:
                found.append(
                    problem(
                        condition,
                        ("services", name, "depends_on", other),
                        f"depends on {other!r}, which no active profile selects",
                        hint="Activate it with --profile, or set required: false.",
                    )
                )
    return active, found


def _profiles(node: Node) -> tuple[str, ...]:
    listed = node.child("profiles")
    return tuple(scalar_text(item.value) for item in listed.items()) if listed else ()
