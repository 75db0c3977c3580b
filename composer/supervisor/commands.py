"""What a supervisor answers: each command of the socket, as a small handler.

Arguments arrive as plain JSON; each handler turns them into typed options at once.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from typing import TYPE_CHECKING

import attrs
import trio

from composer import errors
from composer.planner import providing
from composer.supervisor import asking, byhand, loading, providers
from composer.supervisor.asking import seconds, texts
from composer.supervisor.control import Command, Ending, Request
from composer.supervisor.watch import signal_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.drivers import Drivers
    from composer.model.events import EventSink
    from composer.model.stack import Stack
    from composer.supervisor.converge import Convergence
    from composer.supervisor.journal import Journal
    from composer.supervisor.loading import Loader
    from composer.supervisor.watch import Watch

Answer = dict[str, object]


class Commands:
    """The handlers of one supervisor."""

    def __init__(
        self,
        drivers: Drivers,
        convergence: Convergence,
        watch: Watch,
        journal: Journal,
        loader: Loader,
    ) -> None:
        self._drivers = drivers
        self._convergence = convergence
        self._watch = watch
        self._journal = journal
        self._loader = loader
        self._by_hand = byhand.ByHand(drivers, convergence, watch, self._refuse_when_ending)
        self.is_ending = False

    def table(self) -> dict[str, Command]:
        """Every command by its name on the wire."""
        return {
            "ping": Command(handler=self._ping),
            "up": Command(handler=self._up),
            "down": Command(handler=self._down),
            **{name: Command(handler=self._change) for name in asking.LIFECYCLE},
            "kill": Command(handler=self._kill),
            "ps": Command(handler=self._ps),
            "attach": Command(handler=self._attach),
            "run": Command(handler=self._run),
            "run_start": Command(handler=self._run_start),
            "remove_one_off": Command(handler=self._remove_one_off),
            "wait": Command(handler=self._wait, ends_with_client=True),
            "wait_any": Command(handler=self._wait_any, ends_with_client=True),
            "events": Command(handler=self._events, ends_with_client=True),
            **self._by_hand.table(),
        }

    # ------------------------------------------------------------------ the stack

    async def _ping(self, _request: Request) -> Answer:
        return {"pid": os.getpid()}

    async def _up(self, request: Request) -> Answer:
        self._refuse_when_ending()
        arguments = request.arguments
        services = texts(arguments, "services")
        options = asking.up_options(arguments)
        loaded = await self._load(arguments, services)
        stack = await self._provided(loaded, arguments, options.services, request.say)
        gone = loaded.services.keys() - stack.services.keys()
        named = tuple(name for name in options.services if name not in gone)
        if options.services and not named:
            return {"changed": True, "warnings": list(stack.warnings)}  # only provided ones were meant
        changed, warnings = await self._convergence.up(
            stack,
            attrs.evolve(options, services=named),
            request.say,
            wait_timeout=seconds(arguments.get("wait_timeout")),
            at_once=asking.at_once(arguments),
        )
        answer: Answer = {"changed": changed, "warnings": list(warnings)}
        if arguments.get("rows"):
            answer["attached"] = list(asking.attached(arguments, stack))
        if changed or arguments.get("rows"):
            answer["containers"] = await self._convergence.rows()
        return answer

    async def _down(self, request: Request) -> Answer:
        arguments = request.arguments
        stack = await self._load(arguments, ()) if arguments.get("source") else None
        changed = await self._convergence.down(
            stack, asking.down_options(arguments), request.say, at_once=asking.at_once(arguments)
        )
        if stack is not None and not arguments.get("services"):
            await self._give_back(stack, arguments, request.say)
        return {"changed": changed}

    async def _provided(
        self, stack: Stack, arguments: Mapping[str, object], services: Sequence[str], say: EventSink
    ) -> Stack:
        """Ask the providers of some services (none: of all); the stack of the containers that remain."""
        needed = providing.needed_by(stack, services)
        if not needed:
            return providing.with_provided(stack, {})
        path = self._drivers.paths.provided(stack.name)
        variables = dict(providers.remembered(path))
        for service in needed:
            variables[service.name] = await providers.ask(
                service, stack, "up", _environment_of(arguments), say
            )
        await trio.to_thread.run_sync(providers.remember, path, variables)
        return providing.with_provided(stack, variables)

    async def _give_back(self, stack: Stack, arguments: Mapping[str, object], say: EventSink) -> None:
        """Tell the providers that the stack is down, those first that others were asked before."""
        needed = providing.needed_by(stack, ())
        for service in reversed(needed):
            await providers.ask(service, stack, "down", _environment_of(arguments), say)
        self._drivers.paths.provided(stack.name).unlink(missing_ok=True)

    async def end_if_empty(self) -> bool:
        """Whether nothing is left to look after; from then on requests go to a successor.

        Holds the stack's lock meanwhile, so that no request begins what our end would cut short.
        """
        async with self._convergence.lock:
            if not await self._convergence.is_idle():
                return False
            self.is_ending = True
            self._drivers.records.forget_stack(self._convergence.name)
            return True

    async def _change(self, request: Request) -> Answer:
        self._refuse_when_ending()
        arguments = request.arguments
        changed = await self._convergence.change(
            request.command, arguments, request.say, wait_timeout=seconds(arguments.get("wait_timeout"))
        )
        return {"changed": changed}

    async def _kill(self, request: Request) -> Answer:
        number = signal_number(str(request.arguments.get("signal") or "SIGKILL"))
        count = await self._convergence.kill(asking.choice_of(request.arguments), number)
        return {"killed": count}

    async def _ps(self, _request: Request) -> Answer:
        self._refuse_when_ending()
        return {"containers": await self._convergence.rows()}

    async def _attach(self, request: Request) -> Answer:
        """Where a running container's streams are to be had, and what they are."""
        self._refuse_when_ending()
        container_id = str(request.arguments.get("id"))
        record = self._drivers.records.container(container_id)
        if record is None or not self._watch.is_running(container_id):
            message = f"container {record.spec.name if record else container_id[:12]} is not running"
            raise errors.OperationFailed(message, hint="See `composer ps --all`.")
        return {
            "socket": str(self._drivers.runtime.attach_socket(container_id)),
            "tty": record.spec.tty,
            "stdin": record.spec.stdin_open,
        }

    # ------------------------------------------------------------------ one-off containers

    async def _run(self, request: Request) -> Answer:
        self._refuse_when_ending()
        arguments = request.arguments
        service = str(arguments.get("service"))
        loaded = await self._load(arguments, (service,))
        no_deps = bool(arguments.get("no_deps"))
        stack = await self._provided(loaded, arguments, (service,), request.say)
        if service not in stack.services:
            message = f"no such service: {service}"
            raise errors.UsageError(message, hint=f"There are: {', '.join(stack.services) or 'none'}.")
        name = str(arguments.get("name") or f"{stack.name}-{service}-run-{secrets.token_hex(6)}")
        wanted = asking.one_off(arguments, name)
        options = asking.up_options({**arguments, "services": [], "no_deps": False})
        container_id = await self._convergence.prepare_one_off(
            stack, service, wanted, options, request.say, no_deps=no_deps
        )
        return {
            "id": container_id,
            "name": name,
            "socket": str(self._drivers.runtime.attach_socket(container_id)),
            "log": str(self._drivers.paths.container_data(container_id) / "log"),
        }

    async def _run_start(self, request: Request) -> Answer:
        await self._watch.start(str(request.arguments.get("id")), {})
        return {}

    async def _remove_one_off(self, request: Request) -> Answer:
        container_id = str(request.arguments.get("id"))
        await self._watch.stop(container_id, 0.0)
        await self._watch.remove(container_id, with_anonymous_volumes=True)
        return {}

    # ------------------------------------------------------------------ waiting

    async def _wait(self, request: Request) -> Answer:
        codes: dict[str, int] = {}

        async def one(container_id: str) -> None:
            codes[container_id] = (await self._watch.wait_end(container_id)).exit_code

        async with trio.open_nursery() as nursery:
            for container_id in texts(request.arguments, "ids"):
                nursery.start_soon(one, container_id)
        return {"exit_codes": codes}

    async def _wait_any(self, request: Request) -> Answer:
        first: Answer = {}

        async def one(container_id: str, scope: trio.CancelScope) -> None:
            ended = await self._watch.wait_end(container_id)
            if not first:
                first.update(id=container_id, exit_code=ended.exit_code)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            for container_id in texts(request.arguments, "ids"):
                nursery.start_soon(one, container_id, nursery.cancel_scope)
        return first

    async def _events(self, request: Request) -> Answer:
        """What was recorded ``since`` a Unix time, then what happens, ``until`` another."""
        since = seconds(request.arguments.get("since"))
        until = seconds(request.arguments.get("until"))
        if since is not None:
            for event in self._journal.since(since):
                if until is None or float(str(event["time"])) <= until:
                    request.say(dict(event))
        left = math.inf if until is None else until - time.time()
        if left > 0:
            unsubscribe = self._journal.subscribe(request.say)
            try:
                with trio.move_on_after(left):
                    await trio.sleep_forever()
            finally:
                unsubscribe()
        return {}

    # ------------------------------------------------------------------ inner

    async def _load(self, arguments: Mapping[str, object], services: tuple[str, ...]) -> Stack:
        source = arguments.get("source")
        if not isinstance(source, dict):
            raise errors.UsageError("the request names no stack file")
        request = loading.request_from(source, services)
        self._drivers.supply.use(request.environment)
        loaded = await trio.to_thread.run_sync(self._loader.loaded, request)
        stack: Stack = loaded.stack
        if stack.name != self._convergence.name:
            message = f"this is the supervisor of {self._convergence.name}, the file is of {stack.name}"
            raise errors.UsageError(message)
        return stack

    def _refuse_when_ending(self) -> None:
        if self.is_ending:
            raise Ending


def _environment_of(arguments: Mapping[str, object]) -> Mapping[str, str]:
    """The caller's: a provider is the user's program, as a credential helper is."""
    source = arguments.get("source")
    assert isinstance(source, dict)
    return loading.request_from(source, ()).environment
