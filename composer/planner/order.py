"""Dependency order of services, from ``depends_on`` alone (the loader refused cycles)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.model.stack import Service


def with_dependencies(services: Mapping[str, Service], chosen: Iterable[str]) -> frozenset[str]:
    """The chosen services and everything they need, as far as it is active."""
    found: set[str] = set()
    pending = [name for name in chosen if name in services]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(needed for needed in services[name].depends_on if needed in services)
    return frozenset(found)


def dependencies_first(services: Mapping[str, Service], names: Iterable[str]) -> tuple[str, ...]:
    """``names`` so that each comes after what it depends on; otherwise alphabetical."""
    wanted = set(names)
    ordered: list[str] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        done.add(name)
        if name in services:
            for needed in sorted(services[name].depends_on):
                visit(needed)
        if name in wanted:
            ordered.append(name)

    for name in sorted(wanted):
        visit(name)
    return tuple(ordered)


def dependents_of(services: Mapping[str, Service], name: str) -> tuple[str, ...]:
    """The services that name ``name`` in their ``depends_on``."""
    return tuple(sorted(other for other, service in services.items() if name in service.depends_on))
