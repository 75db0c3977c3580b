"""Which containers a command means: those that ``up`` makes for services; one-offs are nobody's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from composer import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.model.container import Observed, ObservedContainer


@attrs.frozen(kw_only=True)
class Choice:
    """The services that were named; none means all."""

    services: tuple[str, ...] = ()

    def includes(self, container: ObservedContainer) -> bool:
        """Whether the container is meant."""
        return not container.spec.one_off and (not self.services or container.spec.service in self.services)

    def of(self, observed: Observed) -> list[ObservedContainer]:
        """The containers that are meant, in the order of ``observed``."""
        return [container for container in observed.containers if self.includes(container)]

    def check(self, observed: Observed, known: Iterable[str]) -> None:
        """Raise ``UsageError`` for a service that is neither ``known`` nor has a container."""
        there = {container.spec.service for container in observed.containers} | set(known)
        unknown = [service for service in self.services if service not in there]
        if unknown:
            message = f"no such service: {', '.join(unknown)}"
            raise errors.UsageError(message, hint=f"There are: {', '.join(sorted(there)) or 'none'}.")
