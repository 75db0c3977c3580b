"""A supervisor that answers from a script: stands in for ``supervisor.client.Connection``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer import errors

Json = dict[str, object]


class FakeConnection:
    """Answers each command with what it was told; records what was asked.

    ``answers`` maps a command to its result's data, to an error that is raised, or to a list of
    these, one per call.  ``events`` are shown before the answer of the command.
    """

    def __init__(
        self,
        answers: dict[str, Json | errors.ComposerError | list[Json | errors.ComposerError]] | None = None,
        events: dict[str, list[Json]] | None = None,
    ) -> None:
        self.answers = answers or {}
        self.events = events or {}
        self.asked: list[tuple[str, Json]] = []
        self.is_cancelled = False
        self.is_closed = False

    def call(self, command: str, arguments: Json, on_event: Callable[[Json], None] | None = None) -> Json:
        """Record the request, show its events, answer it."""
        self.asked.append((command, arguments))
        for event in self.events.get(command, []):
            if on_event is not None:
                on_event(event)
        answer = self.answers.get(command, {})
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cancel(self) -> None:
        """Remember that the request was to be stopped."""
        self.is_cancelled = True

    def close(self) -> None:
        """Remember that nobody asks any more."""
        self.is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def row(name: str, **changes: object) -> dict[str, object]:
    """A container of the stack ``demo`` as ``ps`` answers it; ``name`` is ``web-1``."""
    service = name.rpartition("-")[0]
    return {
        "ID": f"id-{name}",
        "Name": f"demo-{name}",
        "Service": service,
        "Project": "demo",
        "Image": "busybox",
        "ImageID": "sha256:" + "a" * 64,
        "Command": '"sleep 60"',
        "State": "running",
        "Status": "Up 3 seconds",
        "Health": "",
        "ExitCode": 0,
        "OneOff": False,
        "RunningFor": "3 seconds ago",
        "Publishers": [],
        **changes,
    }
