"""Which containers a command means: those of services, or some by their ids.

Services name the containers that ``up`` makes; one-offs are meant by id alone, as with Docker Compose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from composer import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.model.container import Observed, ObservedContainer


@attrs.frozen(kw_only=True)
class Choice:
    """Services or ids; neither means everything but one-offs."""

    services: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def includes(self, container: ObservedContainer) -> bool:
        """Whether the container is meant."""
        if self.ids:
            return container.id in self.ids
        return not container.spec.one_off and (not self.services or container.spec.service in self.services)

    def of(self, observed: Observed) -> list[ObservedContainer]:
        """The containers that are meant, in the order of ``observed``."""
        return [container for container in observed.containers if self.includes(container)]

    def check(self, observed: Observed, known: Iterable[str]) -> None:
        """Raise ``UsageError`` for a service that is neither ``known`` nor has a container, or an id gone."""
        there = {container.spec.service for container in observed.containers} | set(known)
        unknown = [service for service in self.services if service not in there]
        if unknown:
            message = f"no such service: {', '.join(unknown)}"
            raise errors.UsageError(message, hint=f"There are: {', '.join(sorted(there)) or 'none'}.")
        gone = set(self.ids) - {container.id for container in observed.containers}
        if gone:
            message = f"no such container: {', '.join(sorted(identity[:12] for identity in gone))}"
            raise errors.UsageError(message, hint="See `composer ps --all`.")
