"""What a hand asks of single containers: ``composer container start|stop|restart|kill|rm|...``.

Each request names one container by its id.  None takes the lock of the stack's convergence: a slow
stop of one container must not keep the others of the ``default`` stack waiting; the lock of the
container itself (``watch``) puts requests about it in order.
"""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

import attrs
import trio

from composer import errors
from composer.model import names
from composer.model.stack import PublishedPort
from composer.supervisor.control import Command, Request
from composer.supervisor.watch import signal_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.container import ContainerSpec
    from composer.model.stack import Stack
    from composer.supervisor.converge import Convergence
    from composer.supervisor.watch import Watch

Answer = dict[str, object]

PREFIX = "container_"
"""Begins the name of every command of this module."""


class ByHand:
    """The handlers about single containers; ``refuse`` raises when the supervisor is ending."""

    def __init__(
        self, drivers: Drivers, convergence: Convergence, watch: Watch, refuse: Callable[[], None]
    ) -> None:
        self._drivers = drivers
        self._convergence = convergence
        self._watch = watch
        self._refuse_when_ending = refuse

    def table(self) -> dict[str, Command]:
        """Every command by its name on the wire."""
        handlers = {
            "create": self._create,
            "prepare": self._prepare,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "kill": self._kill,
            "remove": self._remove,
        }
        return {f"{PREFIX}{name}": Command(handler=handler) for name, handler in handlers.items()}

    # ------------------------------------------------------------------ making one

    async def _create(self, request: Request) -> Answer:
        """Make a container of the ``default`` stack from the stack file of one service that flags gave."""
        self._refuse_when_ending()
        arguments = request.arguments
        stack = await trio.to_thread.run_sync(_stack_of, arguments)

        def adjust(spec: ContainerSpec) -> ContainerSpec:
            spec = attrs.evolve(spec, auto_remove=bool(arguments.get("auto_remove")))
            if not arguments.get("publish_all"):
                return spec
            image = self._drivers.images.get(spec.image_id)
            (service,) = stack.services.values()
            return attrs.evolve(
                spec, ports=every_port(spec.ports, (*image.config.exposed_ports, *service.expose))
            )

        container_id = await self._convergence.create_by_hand(stack, adjust, request.say)
        return {"id": container_id, "warnings": list(stack.warnings)}

    async def _prepare(self, request: Request) -> Answer:
        """Everything but the program itself: who wants all of its output attaches before the start."""
        record = self._complete(request)
        await self._watch.prepare(record.id, {})
        return {
            "socket": str(self._drivers.runtime.attach_socket(record.id)),
            "log": str(self._drivers.paths.container_data(record.id) / "log"),
            "tty": record.spec.tty,
            "stdin": record.spec.stdin_open,
        }

    # ------------------------------------------------------------------ one that exists

    def _record(self, request: Request) -> ContainerRecord:
        self._refuse_when_ending()
        identity = str(request.arguments.get("id"))
        record = self._drivers.records.container(identity)
        if record is None:
            message = f"no such container: {identity[:12]}"
            raise errors.UsageError(message)
        return record

    async def _start(self, request: Request) -> Answer:
        record = self._complete(request)
        await self._watch.start(record.id, {})
        return {}

    async def _stop(self, request: Request) -> Answer:
        record = self._record(request)
        await self._watch.stop(record.id, _grace(request), _signal(request))
        return {}

    async def _restart(self, request: Request) -> Answer:
        record = self._complete(request)
        await self._watch.restart(record.id, _grace(request), _signal(request))
        return {}

    async def _kill(self, request: Request) -> Answer:
        record = self._record(request)
        number = _signal(request)
        if not self._drivers.runtime.state(record.id).is_running:
            message = f"cannot kill container {record.spec.name}: it is not running"
            raise errors.OperationFailed(message)
        await self._watch.kill(record.id, signal.SIGKILL if number is None else number)
        return {}

    async def _remove(self, request: Request) -> Answer:
        record = self._record(request)
        state = self._drivers.runtime.state(record.id)
        if state.init is not None:
            if not request.arguments.get("force"):
                message = f"cannot remove container {record.spec.name}: it is running"
                hint = "Stop it first, or add --force."
                raise errors.ConflictError(message, hint=hint)
            await self._watch.kill(record.id, signal.SIGKILL)
        await self._watch.stop(record.id, 0.0)
        await self._watch.remove(record.id, with_anonymous_volumes=bool(request.arguments.get("volumes")))
        return {}

    def _complete(self, request: Request) -> ContainerRecord:
        """The record of a container that can be started."""
        record = self._record(request)
        if record.phase != "ready":
            message = f"container {record.spec.name} is half made or half removed"
            raise errors.ConflictError(message, hint="Remove it: `composer container rm`.")
        return record


def _stack_of(arguments: Answer) -> Stack:
    from composer.stackfile import load

    text = str(arguments.get("stackfile"))
    request = load.LoadRequest(
        directory=str(arguments.get("directory")),
        files=("-",),
        project_name=names.DEFAULT_STACK,
        environment={"COMPOSE_DISABLE_ENV_FILE": "1", "HOME": str(arguments.get("home") or "/root")},
        stdin=text.encode(),
        is_by_hand=True,
    )
    return load.load_stack(request).stack


def every_port(published: tuple[PublishedPort, ...], exposed: Iterable[str]) -> tuple[PublishedPort, ...]:
    """``--publish-all``: the ports published already, and every other exposed one (``80/tcp``, ``80-81``)."""
    there = {(port.target, port.protocol) for port in published}
    more = []
    for text in exposed:
        span, _, protocol = text.partition("/")
        first, _, last = span.partition("-")
        for target in range(int(first), int(last or first) + 1):
            port = PublishedPort(target=target, protocol=protocol or "tcp")
            if (port.target, port.protocol) not in there:
                there.add((port.target, port.protocol))
                more.append(port)
    return (*published, *sorted(more))


def _grace(request: Request) -> float | None:
    """Seconds before SIGKILL; a negative number waits for ever, as with Docker."""
    seconds = request.arguments.get("timeout")
    if not isinstance(seconds, int | float):
        return None
    return math.inf if seconds < 0 else float(seconds)


def _signal(request: Request) -> int | None:
    name = request.arguments.get("signal")
    return signal_number(str(name)) if name else None
