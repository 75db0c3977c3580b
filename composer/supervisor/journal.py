"""Container events: kept in the stack's journal and sent to whoever subscribed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from composer.model import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.engine.records import Records
    from composer.model.container import ContainerSpec
    from composer.model.events import Event


class Journal:
    """The events of one stack."""

    def __init__(self, records: Records, stack: str) -> None:
        self._records = records
        self._stack = stack
        self._subscribers: list[Callable[[Event], None]] = []
        self._pending: list[Event] = []

    def emit(
        self, container_id: str, spec: ContainerSpec, action: str, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Something happened to a container: it is recorded soon and told to the subscribers now."""
        event = events.container(
            spec.name,
            action,
            identity=container_id,
            service=spec.service,
            attributes={"image": spec.image, "name": spec.name, **(attributes or {})},
        )
        self._pending.append(event)
        for subscriber in tuple(self._subscribers):
            subscriber(event)

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``subscriber`` with each event from now on; returns the function that ends it."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def flush(self) -> None:
        """Write what was emitted since the last time, in one transaction.

        Called several times a second: fifty containers that start at once are one write, not fifty.
        """
        pending, self._pending = self._pending, []
        if pending:
            self._records.add_events(self._stack, pending)

    def since(self, moment: float) -> tuple[Mapping[str, object], ...]:
        """What was recorded from a Unix time on."""
        self.flush()
        return self._records.events_since(self._stack, moment)
