"""What a hand asks of single containers: ``composer container start|stop|restart|kill|rm|...``.

Each request names one container by its id.  None takes the lock of the stack's convergence: a slow
stop of one container must not keep the others of the ``default`` stack waiting; the lock of the
container itself (``watch``) puts requests about it in order.
"""

from __future__ import annotations

import json
import math
import signal
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from composer import errors
from composer.engine import containers, inspection, sharing
from composer.model import canonical, names
from composer.model.container import NetworkMembership
from composer.model.stack import PublishedPort, RestartKind
from composer.supervisor.client import VERSION
from composer.supervisor.control import Command, Request
from composer.supervisor.watch import signal_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.container import ContainerSpec
    from composer.model.stack import Service, Stack
    from composer.supervisor.converge import Convergence
    from composer.supervisor.watch import Watch

Answer = dict[str, object]

_HELD: Answer = {"v": VERSION, "type": "held"}

PREFIX = "container_"
"""Begins the name of every command of this module."""

LOOKS = frozenset({f"{PREFIX}inspect"})
"""Those that change nothing."""


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
            "inspect": self._inspect,
            "prepare": self._prepare,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "kill": self._kill,
            "remove": self._remove,
            "pause": self._pause,
            "unpause": self._unpause,
            "rename": self._rename,
            "update": self._update,
            "connect": self._connect,
            "disconnect": self._disconnect,
        }
        table = {f"{PREFIX}{name}": Command(handler=handler) for name, handler in handlers.items()}
        return {**table, f"{PREFIX}hold": Command(handler=self._hold, ends_with_client=True)}

    # ------------------------------------------------------------------ making one

    async def _create(self, request: Request) -> Answer:
        """Make a container of the ``default`` stack from the stack file of one service that flags gave."""
        self._refuse_when_ending()
        arguments = request.arguments
        stack = await trio.to_thread.run_sync(_stack_of, arguments)

        def adjust(spec: ContainerSpec) -> ContainerSpec:
            spec = attrs.evolve(
                spec,
                auto_remove=bool(arguments.get("auto_remove")),
                stdin_once=spec.stdin_open and bool(arguments.get("stdin_once")),
            )
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

    # ------------------------------------------------------------------ all of the stack

    async def _inspect(self, _request: Request) -> Answer:
        self._refuse_when_ending()

        def look() -> list[Answer]:
            found = inspection.Inspector(self._drivers).of_stack(self._convergence.name)
            return [{"document": one.document, "status": one.status} for one in found]

        return {"containers": await trio.to_thread.run_sync(look)}

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

    async def _pause(self, request: Request) -> Answer:
        record = self._running(request, "pause")
        if self._drivers.runtime.state(record.id).is_paused:
            message = f"container {record.spec.name} is paused already"
            raise errors.ConflictError(message)
        await self._watch.pause(record.id)
        return {}

    async def _unpause(self, request: Request) -> Answer:
        record = self._running(request, "unpause")
        if not self._drivers.runtime.state(record.id).is_paused:
            message = f"container {record.spec.name} is not paused"
            raise errors.ConflictError(message)
        await self._watch.unpause(record.id)
        return {}

    async def _hold(self, request: Request) -> Answer:
        """Say ``held`` and, if the container does not run, keep it so until the client goes away.

        With ``pause`` one that runs is frozen for that long, unless it was already.
        """
        record = self._complete(request)
        async with self._watch.held(record.id) as has_process:
            if has_process and request.arguments.get("pause"):
                await self._while_paused(record.id, request)
            else:
                request.say(_HELD)
                if not has_process:
                    await trio.sleep_forever()
        return {}

    async def _while_paused(self, container_id: str, request: Request) -> None:
        state = self._drivers.runtime.state(container_id)
        is_ours = state.is_running and not state.is_paused
        if is_ours:
            await self._watch.pause(container_id)
        try:
            request.say(_HELD)
            await trio.sleep_forever()
        finally:
            if is_ours:
                with trio.CancelScope(shield=True):
                    await self._watch.unpause(container_id)

    async def _rename(self, request: Request) -> Answer:
        record = self._record(request)
        name = str(request.arguments.get("name"))
        if not names.CONTAINER_NAME.fullmatch(name):
            message = f"{name!r} cannot be the name of a container"
            hint = "Letters, digits, dots, dashes and underscores; two at least, the first a letter or digit."
            raise errors.UsageError(message, hint=hint)
        spec = self._drivers.records.rename_container(record.id, name)
        self._drivers.network.rename(record.id, record.spec.name, name)
        self._watch.use_spec(record.id, spec)
        return {}

    async def _update(self, request: Request) -> Answer:
        """Other limits, at once where it runs; another restart policy, from its next end on."""
        record = self._complete(request)
        stack = await trio.to_thread.run_sync(_stack_of, request.arguments)
        (service,) = stack.services.values()
        given = request.arguments.get("given")
        spec = updated(record.spec, service, given if isinstance(given, list) else [])
        if spec.auto_remove and spec.restart.kind is not RestartKind.NO:
            message = f"container {spec.name} removes itself when it ends: it cannot be restarted"
            raise errors.ConflictError(message)
        if spec.limits != record.spec.limits and self._drivers.runtime.state(record.id).is_running:
            await trio.to_thread.run_sync(self._drivers.runtime.update_limits, record.id, spec.limits)
        self._drivers.records.set_spec(record.id, spec)
        self._watch.use_spec(record.id, spec)
        return {"warnings": list(stack.warnings)}

    async def _connect(self, request: Request) -> Answer:
        """One more network; recorded when it is there: what was cut short is undone by the next start."""
        record = self._complete(request)
        network = str(request.arguments.get("network"))
        spec = record.spec
        if not sharing.has_own_network(spec.namespaces):
            message = (
                f"container {spec.name} has no network of its own (network_mode {spec.namespaces.network})"
            )
            raise errors.ConflictError(message)
        if network in spec.memberships:
            message = f"container {spec.name} is on network {network} already"
            raise errors.ConflictError(message)
        membership = canonical.from_json(
            NetworkMembership, json.dumps(request.arguments.get("membership") or {})
        )
        state = self._drivers.runtime.state(record.id)
        if state.is_running and state.init is not None:
            attach = partial(
                self._drivers.network.attach,
                record.id,
                state.init.pid,
                network,
                membership,
                containers.names_of(record.id, spec),
                stack=spec.stack,
            )
            await trio.to_thread.run_sync(attach)
        joined = {**spec.joined, network: membership}
        await self._use_networks(record.id, attrs.evolve(spec, joined=joined))
        return {}

    async def _disconnect(self, request: Request) -> Answer:
        """One network less; recorded first, so that nobody heals what a hand took away."""
        record = self._record(request)
        network = str(request.arguments.get("network"))
        spec = record.spec
        if network not in spec.memberships:
            if request.arguments.get("force"):
                return {}
            message = f"container {spec.name} is not on network {network}"
            raise errors.ConflictError(message)
        joined = {name: one for name, one in spec.joined.items() if name != network}
        left = (*spec.left, network) if network in spec.networks else spec.left
        await self._use_networks(record.id, attrs.evolve(spec, joined=joined, left=left))
        state = self._drivers.runtime.state(record.id)
        pid = state.init.pid if state.is_running and state.init is not None else 0
        await trio.to_thread.run_sync(self._drivers.network.detach, record.id, pid, network)
        await self._watch.use_networks(record.id, attrs.evolve(spec, joined=joined, left=left))
        return {}

    async def _use_networks(self, container_id: str, spec: ContainerSpec) -> None:
        self._drivers.records.set_spec(container_id, spec)
        await self._watch.use_networks(container_id, spec)

    def _running(self, request: Request, verb: str) -> ContainerRecord:
        record = self._record(request)
        if not self._drivers.runtime.state(record.id).is_running:
            message = f"cannot {verb} container {record.spec.name}: it is not running"
            raise errors.OperationFailed(message)
        return record

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


_LIMIT_OF = {
    "blkio_config": "block_io",
    "cpu_period": "cpu_period",
    "cpu_quota": "cpu_quota",
    "cpu_rt_period": "cpu_realtime_period",
    "cpu_rt_runtime": "cpu_realtime_runtime",
    "cpu_shares": "cpu_shares",
    "cpus": "cpus",
    "cpuset": "cpuset",
    "mem_limit": "memory",
    "mem_reservation": "memory_reservation",
    "memswap_limit": "memory_swap",
    "pids_limit": "pids",
}
"""Fields of ``Limits`` by the attribute that sets each."""


def updated(spec: ContainerSpec, service: Service, given: Iterable[str]) -> ContainerSpec:
    """The specification with what the ``given`` attributes of ``service`` say."""
    fields = {_LIMIT_OF[name] for name in given if name in _LIMIT_OF}
    changes = {field: getattr(service.limits, field) for field in fields}
    if "cpus" in fields:  # two ways to say one thing: the last said counts
        changes |= {"cpu_period": None, "cpu_quota": None}
    elif fields & {"cpu_period", "cpu_quota"}:
        changes["cpus"] = None
    restart = service.restart if "restart" in given else spec.restart
    return attrs.evolve(spec, limits=attrs.evolve(spec.limits, **changes), restart=restart)


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
