"""Turns requests into plans and carries them out: observe, decide (purely), act, say what happened.

One change at a time: requests that change the stack queue for one lock, in the order they came.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar, assert_never

import attrs
import trio

from composer import errors
from composer.engine import containers, executor, observe, status
from composer.engine.executor import OnFailure
from composer.host import process
from composer.model import events, names
from composer.model import plan as operations
from composer.model.protocols import BuildRequest
from composer.planner import builds, desired, heal, oneoff, reconcile, teardown
from composer.supervisor import asking

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.model.container import ContainerSpec, Observed
    from composer.model.distribution import Transfer
    from composer.model.events import EventSink
    from composer.model.plan import Operation, Plan
    from composer.model.protocols import Interrupt
    from composer.model.stack import Stack
    from composer.planner.choice import Choice
    from composer.supervisor.loading import Loader
    from composer.supervisor.watch import Watch

_Result = TypeVar("_Result")

MOST_ROUNDS = 4
"""Plans that one request may need; two are usual (builds, then containers)."""


PULLS_AT_ONCE = 3
"""Images; each with a few layers at once."""


class Convergence:
    """The one writer of a stack."""

    def __init__(self, drivers: Drivers, stack: str, watch: Watch, loader: Loader) -> None:
        cores = os.cpu_count() or 1
        self.name = stack
        self.lock = trio.Lock()
        self._drivers = drivers
        self._watch = watch
        self._loader = loader
        self._stack: Stack | None = None
        self._material: Mapping[str, bytes] = {}
        self._builds = trio.CapacityLimiter(max(2, cores))
        self._pulls = trio.CapacityLimiter(PULLS_AT_ONCE)
        self._threads = trio.CapacityLimiter(2 * cores)

    # ------------------------------------------------------------------ look

    async def observe(self, references: Sequence[str] = (), networks: Sequence[str] = ()) -> Observed:
        """One snapshot of the stack, with the images and networks of others that it asks for."""
        look = partial(observe.observe, self._drivers, self.name, references, networks)
        return await self._in_thread(look)

    async def _observe_for(self, stack: Stack, *, will_build: bool = False) -> Observed:
        """One snapshot of what the plan for this stack depends on."""
        look = partial(observe.observe_wanted, self._drivers, stack, will_build=will_build)
        return await self._in_thread(look)

    async def rows(self) -> list[dict[str, object]]:
        """The containers as ``ps`` shows them."""
        observe_containers = partial(observe.observe_containers, self._drivers, self.name)
        return list(status.rows_of(await self._in_thread(observe_containers)))

    async def is_idle(self) -> bool:
        """Whether nothing is left that a supervisor would look after.

        The ``default`` stack has no ``down``: the network that its containers were on goes with the last
        of them.
        """
        observed = await self.observe()
        if observed.containers:
            return False
        networks = set(observed.networks)
        if self.name == names.DEFAULT_STACK:
            if names.DEFAULT_BRIDGE in networks:
                with contextlib.suppress(errors.ConflictError):  # another stack's containers are on it
                    await self._in_thread(partial(self._drivers.network.remove, names.DEFAULT_BRIDGE))
            return True
        return not networks

    def use(self, stack: Stack) -> None:
        """From now on this is what the user wants."""
        self._stack = stack
        self._material = desired.material(stack)

    # ------------------------------------------------------------------ requests

    async def up(
        self,
        stack: Stack,
        options: reconcile.UpOptions,
        say: EventSink,
        *,
        wait_timeout: float | None,
        at_once: float = math.inf,
    ) -> tuple[bool, tuple[str, ...]]:
        """Make the stack what its file says; returns whether anything changed, and warnings."""
        async with self.lock:
            self.use(stack)
            # Recorded before the first effect: a revived supervisor knows that the stack is wanted.
            self._drivers.records.remember_stack(stack.name, stack.directory, stack.files)
            plans: tuple[Plan, ...] = ()
            with _deadline(wait_timeout) as scope:
                plans = await self._settle(
                    stack, partial(reconcile.plan_up, stack), options, say, at_once=at_once
                )
            if scope.cancelled_caught:
                raise _not_ready(wait_timeout)
            said = (*stack.warnings, *(warning for plan in plans for warning in plan.warnings))
            return any(not plan.is_empty for plan in plans), tuple(dict.fromkeys(said))

    async def _settle(
        self,
        stack: Stack,
        plan_of: Callable[[Observed, reconcile.UpOptions], Plan],
        options: reconcile.UpOptions,
        say: EventSink,
        *,
        at_once: float = math.inf,
    ) -> tuple[Plan, ...]:
        """Observe, plan and act until a plan is final; returns the plans."""
        plans: list[Plan] = []
        for _ in range(MOST_ROUNDS):
            observed = await self._observe_for(stack, will_build=options.images.build)
            plan = plan_of(observed, options)
            plans.append(plan)
            if not plan.is_empty:
                await self._carry_out(plan, say, at_once=at_once)
            if plan.is_final:
                break
            options = reconcile.after_images(options)
        return tuple(plans)

    async def down(
        self,
        stack: Stack | None,
        options: teardown.DownOptions,
        say: EventSink,
        *,
        at_once: float = math.inf,
    ) -> bool:
        """Take away what the options name; returns whether anything was there."""
        async with self.lock:
            everything = not options.services
            if everything:
                self._drivers.records.mark_down(self.name)
            references = desired.references(stack) if stack else ()
            plan = teardown.plan_down(stack, await self.observe(references), options)
            await self._carry_out(plan, say, on_failure=OnFailure.GO_ON, at_once=at_once)
            return not plan.is_empty

    async def change(
        self, command: str, arguments: asking.Arguments, say: EventSink, *, wait_timeout: float | None = None
    ) -> bool:
        """One of ``asking.LIFECYCLE`` for existing containers; returns whether anything changed."""
        async with self.lock:
            with _deadline(wait_timeout) as scope:
                plan = asking.plan_of(command, arguments, self._stack, await self.observe())
                await self._carry_out(plan, say, at_once=asking.at_once(arguments))
            if scope.cancelled_caught:
                raise _not_ready(wait_timeout)
            return not plan.is_empty

    async def kill(self, choice: Choice, number: int) -> int:
        """Signal the running containers that are meant; returns how many there were."""
        observed = await self.observe()
        choice.check(observed, self._known_services())
        victims = [container for container in choice.of(observed) if container.is_running]
        async with trio.open_nursery() as nursery:
            for victim in victims:
                nursery.start_soon(self._watch.kill, victim.id, number)
        return len(victims)

    async def heal(self, say: EventSink) -> None:
        """Put back what the kernel lost of networks and links, if nothing else is under way."""
        try:
            self.lock.acquire_nowait()
        except trio.WouldBlock:
            return
        try:
            plan = heal.plan_heal(await self.observe())
            if not plan.is_empty:
                await self._carry_out(plan, say)
        finally:
            self.lock.release()

    async def adopt(self) -> None:
        """Take over what a former supervisor left: processes, ports, names."""
        for kind, resource in self._drivers.records.take_unfinished(self.name):
            del kind, resource  # each is found again by its derived name when the next plan runs
        await self._in_thread(self._drivers.runtime.sweep_steps)
        await self._in_thread(partial(self._drivers.network.reserve, self.name))
        await self._in_thread(partial(self._drivers.network.stand_guard, self.name))
        records = self._drivers.records.containers(self.name)
        async with trio.open_nursery() as nursery:
            for record in records:
                if record.phase == "ready":
                    nursery.start_soon(self._watch.adopt_guarded, record)
                elif self.name == names.DEFAULT_STACK:
                    # What a dead supervisor left half made; no plan will ever come to clear it.
                    nursery.start_soon(self._watch.remove_guarded, record.id)

    def _known_services(self) -> tuple[str, ...]:
        return () if self._stack is None else (*self._stack.services, *self._stack.inactive)

    # ------------------------------------------------------------------ carrying out

    async def _carry_out(
        self,
        plan: Plan,
        say: EventSink,
        *,
        on_failure: OnFailure = OnFailure.SKIP_DEPENDENTS,
        at_once: float = math.inf,
    ) -> None:
        failures = await executor.run_plan(
            plan, partial(self.perform, say), say, on_failure=on_failure, at_once=at_once
        )
        if not failures:
            return
        if len(failures) > 1:
            for failure in failures[1:]:
                say(events.message("error", failure.error.message))
        raise failures[0].error

    async def perform(self, say: EventSink, operation: Operation) -> None:
        """Do one operation; the record of the intent outlives us only if we are killed.

        What concerns a container is recorded in its own row (phase and wish) before it is done.
        """
        if isinstance(operation, operations.AwaitCondition):
            await self._watch.wait_condition(self._id_of(operation.name), operation.condition)
            return
        if operation.resource.startswith("container "):
            await self._perform(say, operation)
            return
        with self._drivers.records.operation(self.name, operation.action, operation.resource):
            await self._perform(say, operation)

    async def _perform(self, say: EventSink, operation: Operation) -> None:
        drivers, watch = self._drivers, self._watch
        match operation:
            case operations.BuildImage():
                await self._build(operation, say)
            case operations.PullImage():
                await self._pull(operation, say)
            case operations.RemoveImage():
                await self._in_thread(partial(drivers.images.remove, operation.image))
            case operations.CreateNetwork() | operations.RepairNetwork():
                await self._in_thread(partial(drivers.network.create, operation.spec))
            case operations.RemoveNetwork():
                await self._in_thread(partial(drivers.network.remove, operation.name))
            case operations.CreateVolume():
                await self._in_thread(partial(drivers.volumes.create, operation.spec))
            case operations.RemoveVolume():
                await self._in_thread(partial(drivers.volumes.remove, operation.name))
            case operations.CreateContainer():
                await watch.create(operation.spec, self._material)
                for sentence in drivers.runtime.shortfalls(operation.spec):
                    say(events.message("warning", sentence))
            case operations.StartContainer():
                await watch.start(self._id_of(operation.name), self._material)
            case operations.StopContainer():
                grace = None if operation.grace is None else operation.grace.seconds
                await watch.stop(operation.id, grace)
            case operations.PauseContainer():
                await watch.pause(operation.id)
            case operations.UnpauseContainer():
                await watch.unpause(operation.id)
            case operations.RemoveContainer():
                await watch.remove(operation.id, with_anonymous_volumes=operation.with_anonymous_volumes)
            case operations.ReconnectContainer():
                await self._reconnect(operation)
            case operations.UpdateLimits():
                await self._in_thread(partial(drivers.runtime.update_limits, operation.id, operation.limits))
                drivers.records.set_spec(operation.id, operation.spec)
            case operations.AwaitCondition():
                raise errors.InternalError("waiting is not an effect")
            case _:
                assert_never(operation)

    async def _build(self, operation: operations.BuildImage, say: EventSink) -> None:
        request = self._request_of(operation)
        token = trio.lowlevel.current_trio_token()

        def say_line(line: str) -> None:
            token.run_sync_soon(say, events.log(operation.resource, line))

        def build_it(interrupt: Interrupt) -> object:
            return self._drivers.builder.build(request, say_line, interrupt)

        await self._interruptibly(build_it, self._builds)

    async def _pull(self, operation: operations.PullImage, say: EventSink) -> None:
        token = trio.lowlevel.current_trio_token()

        def report(transfer: Transfer) -> None:
            token.run_sync_soon(say, events.transfer(operation.resource, operation.action, transfer))

        def pull_it(interrupt: Interrupt) -> object:
            return self._drivers.supply.pull(
                operation.image, platform=operation.platform, report=report, interrupt=interrupt
            )

        try:
            await self._interruptibly(pull_it, self._pulls)
        except errors.ImageError as error:
            if not operation.may_fail:
                raise
            say(events.message("warning", f"{error.message}; the image is built instead"))

    @staticmethod
    async def _interruptibly(call: Callable[[Interrupt], object], limiter: trio.CapacityLimiter) -> None:
        """Make a long call in a thread; cancellation asks it to stop and waits until it has."""
        flag = process.StopFlag()
        failure: errors.ComposerError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_set_when_cancelled, flag)
            try:
                await trio.to_thread.run_sync(call, flag, limiter=limiter)
            except errors.ComposerError as error:
                failure = error  # raised below: a nursery would wrap it in a group
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _request_of(self, operation: operations.BuildImage) -> BuildRequest:
        """The build of a service; a saved plan's own build section counts, not today's."""
        assert self._stack is not None
        everyone = {**self._stack.inactive, **self._stack.services}
        service = attrs.evolve(everyone[operation.service], build=operation.build)
        from composer.engine.builds import environment_of_caller

        agent, epoch = environment_of_caller()
        request = builds.request_of(self._stack, service, agent=agent, epoch=epoch)
        return attrs.evolve(request, no_cache=request.no_cache or operation.no_cache)

    async def _reconnect(self, operation: operations.ReconnectContainer) -> None:
        state = await self._in_thread(partial(self._drivers.runtime.state, operation.id))
        if state.init is None or not state.is_running:
            return  # it ended meanwhile; its restart policy has the word
        pid, network = state.init.pid, self._drivers.network
        leased = {
            endpoint.network
            for endpoint in await self._in_thread(partial(network.endpoints, self.name))
            if endpoint.container_id == operation.id
        }
        if operation.network in leased:
            await self._in_thread(partial(network.reconnect, operation.id, pid, operation.network))
            return
        # A hand took it off the network, and now the stack file has the word again.
        spec = containers.Containers(self._drivers).record_of(operation.id).spec
        spec = attrs.evolve(spec, left=tuple(name for name in spec.left if name != operation.network))
        attach = partial(
            network.attach,
            operation.id,
            pid,
            operation.network,
            spec.memberships[operation.network],
            containers.names_of(operation.id, spec),
            stack=spec.stack,
        )
        await self._in_thread(attach)
        self._drivers.records.set_spec(operation.id, spec)
        await self._watch.use_networks(operation.id, spec)

    def _id_of(self, name: str) -> str:
        record = self._drivers.records.container_named(self.name, name)
        if record is None:
            message = f"container {name} is gone"
            raise errors.OperationFailed(message, hint="Run the command again.")
        return record.id

    async def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        return await trio.to_thread.run_sync(call, limiter=self._threads)

    # ------------------------------------------------------------------ one-off containers

    async def prepare_one_off(
        self,
        stack: Stack,
        service: str,
        wanted: oneoff.OneOff,
        options: reconcile.UpOptions,
        say: EventSink,
        *,
        no_deps: bool,
    ) -> str:
        """Bring up what the service needs, make its one-off container ready to start; returns its id."""
        async with self.lock:
            self.use(stack)
            self._drivers.records.remember_stack(stack.name, stack.directory, stack.files)
            needed = () if no_deps else tuple(sorted(stack.services[service].depends_on))
            options = attrs.evolve(options, services=needed)
            await self._settle(stack, _one_off_planner(stack, service), options, say)
            observed = await self._observe_for(stack)
            spec = oneoff.spec_of(stack, service, observed.images, wanted)
            container_id = await self._watch.create(spec, self._material)
            try:
                await self._watch.prepare(container_id, self._material)
            except errors.ComposerError:
                await self._watch.remove(container_id, with_anonymous_volumes=True)
                raise
            return container_id

    async def create_by_hand(
        self, stack: Stack, adjust: Callable[[ContainerSpec], ContainerSpec], say: EventSink
    ) -> str:
        """Make the container of a stack of one service, and what it needs; returns its id.

        Whoever else is in the ``default`` stack is left alone.  ``adjust`` completes the specification
        when the image is known.
        """
        async with self.lock:
            (service,) = stack.services.values()
            self._drivers.records.refuse_taken_name(service.container_name or service.name)
            self._drivers.records.remember_stack(stack.name, stack.directory, ())
            options = reconcile.UpOptions()
            await self._settle(stack, _one_off_planner(stack, service.name), options, say)
            observed = await self._observe_for(stack)
            spec = adjust(desired.by_hand_spec(stack, service, observed.images))
            return await self._watch.create(spec, self._material)


def _one_off_planner(stack: Stack, service: str) -> Callable[[Observed, reconcile.UpOptions], Plan]:
    return lambda observed, options: reconcile.plan_one_off(stack, observed, service, options)


async def _set_when_cancelled(flag: process.StopFlag) -> None:
    try:
        await trio.sleep_forever()
    finally:
        flag.set()


def _deadline(seconds: float | None) -> trio.CancelScope:
    return trio.CancelScope() if seconds is None else trio.move_on_after(seconds)


def _not_ready(seconds: float | None) -> errors.OperationFailed:
    message = f"not everything was ready within {seconds:g} s"
    return errors.OperationFailed(message, hint="See `composer ps` and `composer logs`.")
