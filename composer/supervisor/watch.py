"""Watches the containers of one stack: their ends, their restarts, their health, their names.

One ``Watched`` per container that runs or ran under this supervisor.  Its process is held by a
pidfd opened before the program runs, so an end is never missed and never mistaken for another
process's.  All decisions (restart or not, healthy or not) are made by the pure functions of
``planner.restart`` and ``planner.health``; this module carries them out.
"""

from __future__ import annotations

import math
import os
import signal
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from composer import errors
from composer.engine import sharing
from composer.engine.containers import Containers, Ended, Material, Prepared
from composer.engine.observe import EXIT_UNKNOWN
from composer.model.container import Health, Wish
from composer.model.protocols import ExecRequest
from composer.model.stack import Condition
from composer.planner import health as health_rules
from composer.planner import restart as restart_rules
from composer.supervisor import hooks, reports
from composer.supervisor.logkeeper import LogKeeper

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.engine.records import ContainerRecord
    from composer.model.container import ContainerSpec
    from composer.model.stack import Healthcheck
    from composer.planner.health import HealthSettings, HealthState
    from composer.supervisor.journal import Journal
    from composer.supervisor.relay import Relay
    from composer.supervisor.resolver import Resolver

KILL_DEADLINE = 10.0
"""Seconds within which a process that got SIGKILL must be gone, or we report it."""

REMOVED_REMEMBERED = 1000
"""Containers that removed themselves whose exit codes can still be asked for."""

_Result = TypeVar("_Result")


class Watched:
    """The mutable state of one container; owned by ``Watch``."""

    def __init__(self, container_id: str, spec: ContainerSpec) -> None:
        self.id = container_id
        self.spec = spec
        self.lock = trio.Lock()
        self.is_running = False
        self.is_prepared = False
        self.is_paused = False
        self.pidfd = -1
        self.began = -math.inf
        self.ended: Ended | None = None
        self.health = Health.NONE
        self.last_probe = b""
        self.restart_delay = 0.0
        self.restart_pending: trio.CancelScope | None = None
        self.probing: trio.CancelScope | None = None
        self.is_kept = False
        """While it is restarted by hand: an ``auto_remove`` container is not to go then."""
        self.changed = trio.Event()

    def announce(self) -> None:
        """Wake everybody who waits for a change of this container."""
        changed, self.changed = self.changed, trio.Event()
        changed.set()


class Watch:
    """Every container of the stack that this supervisor looks after."""

    def __init__(
        self, drivers: Drivers, resolver: Resolver, relay: Relay, journal: Journal, nursery: trio.Nursery
    ) -> None:
        cores = os.cpu_count() or 1
        self._drivers = drivers
        self._containers = Containers(drivers)
        self._resolver = resolver
        self._relay = relay
        self._journal = journal
        self._nursery = nursery
        self._logs = LogKeeper(nursery)
        self._watched: dict[str, Watched] = {}
        self._prepared: dict[str, Prepared] = {}
        self._ends_of_removed: dict[str, Ended] = {}
        self.when_removed: Callable[[], None] = lambda: None
        """Called after a container removed itself (``auto_remove``)."""
        # More than twice the cores gains nothing when starting (docs/performance.md, concurrency).
        self._starts = trio.CapacityLimiter(2 * cores)
        self._ends = trio.CapacityLimiter(4 * cores)
        self._probes = trio.CapacityLimiter(2 * cores)

    # ------------------------------------------------------------------ create and remove

    async def create(self, spec: ContainerSpec, material: Material) -> str:
        """Make a container on disk; returns its id."""
        container_id = await self._in_thread(self._starts, partial(self._containers.create, spec, material))
        self._journal.emit(container_id, spec, "create")
        return container_id

    async def remove(self, container_id: str, *, with_anonymous_volumes: bool) -> None:
        """Remove a container that was stopped."""
        watched = self._watched.get(container_id)
        record = self._drivers.records.container(container_id)
        if record is None:
            return
        async with watched.lock if watched else trio.Lock():
            await self._in_thread(
                self._ends,
                partial(self._containers.remove, container_id, with_anonymous_volumes=with_anonymous_volumes),
            )
            self._journal.emit(container_id, record.spec, "destroy")
            if watched:
                self._watched.pop(container_id, None)
                watched.announce()

    @asynccontextmanager
    async def held(self, container_id: str) -> AsyncIterator[bool]:
        """Keep a container from being started or removed; yields whether it has a process (and is not held).

        What runs may stop meanwhile: who looks at it does so through its process.
        """
        watched = self._of(self._containers.record_of(container_id))
        async with watched.lock:
            has_process = watched.is_running or watched.is_prepared
            if not has_process:
                yield False
                return
        yield True

    async def remove_guarded(self, container_id: str) -> None:
        """As ``remove``, with its anonymous volumes; one that cannot be removed is no reason to end."""
        await self._guarded(partial(self.remove, container_id, with_anonymous_volumes=True))

    def use_spec(self, container_id: str, spec: ContainerSpec) -> None:
        """The specification was changed in place: a new name, other limits, another restart policy."""
        if container_id in self._watched:
            self._watched[container_id].spec = spec

    async def use_networks(self, container_id: str, spec: ContainerSpec) -> None:
        """It was connected to a network or disconnected by hand: its ports may lead elsewhere now."""
        self.use_spec(container_id, spec)
        watched = self._watched.get(container_id)
        if watched is not None and watched.is_running:
            await self._carry(container_id, spec)

    async def restart(self, container_id: str, grace: float | None, number: int | None = None) -> None:
        """Stop and start, by hand; a container that would remove itself when it ends stays."""
        watched = self._of(self._containers.record_of(container_id))
        watched.is_kept = True
        try:
            await self.stop(container_id, grace, number)
            await self.start(container_id, {})
        finally:
            watched.is_kept = False

    # ------------------------------------------------------------------ start

    async def start(self, container_id: str, material: Material) -> None:
        """Start a container on request: its restart count begins anew."""
        watched = self._of(self._containers.record_of(container_id))
        self._cancel_restart(watched)
        async with watched.lock:
            if watched.is_running:
                return
            if self._containers.record_of(container_id).restart_count:
                self._drivers.records.set_restart_count(container_id, 0)
            watched.restart_delay = 0.0
            if not watched.is_prepared:
                await self._prepare(watched, material)
            await self._let_run(watched)
        # Not under the lock: who stops the container must not have to wait for a hook.
        await hooks.run(self._drivers.runtime, container_id, watched.spec, "post_start")

    async def prepare(self, container_id: str, material: Material) -> None:
        """Everything but the program itself (``run`` attaches before ``start``)."""
        watched = self._of(self._containers.record_of(container_id))
        async with watched.lock:
            if not watched.is_running and not watched.is_prepared:
                await self._prepare(watched, material)

    async def _prepare(self, watched: Watched, material: Material) -> None:
        spec = watched.spec
        self._containers.wish(watched.id, Wish.RUNNING)
        if spec.files and not self._drivers.runtime.has_files(watched.id):
            self._containers.write_material(watched.id, spec, material)
        try:
            prepared = await self._in_thread(self._starts, partial(self._containers.prepare, watched.id))
        except errors.ComposerError:
            self._containers.wish(watched.id, Wish.CREATED)
            raise
        self._prepared[watched.id] = prepared
        descriptor = self._drivers.runtime.descriptor_of(watched.id)
        if descriptor is None:
            await self._in_thread(self._ends, partial(self._containers.settle, watched.id))
            message = f"{spec.name}: its first process died before it was started"
            raise errors.RuntimeFailure(message)
        watched.pidfd = descriptor
        if sharing.has_own_network(spec.namespaces):
            await self._serve(watched.id, prepared.identity.pid, spec)
        watched.is_prepared = True

    async def _let_run(self, watched: Watched) -> None:
        prepared = self._prepared.pop(watched.id)
        watched.is_prepared = False
        try:
            await self._keep_log(watched)
            await self._in_thread(self._starts, partial(self._containers.start, prepared))
        except errors.ComposerError:
            self._containers.wish(watched.id, Wish.CREATED)
            await self._end_serving(watched.id)
            os.close(watched.pidfd)
            watched.pidfd = -1
            raise
        self._begin(watched, began=trio.current_time())
        self._journal.emit(watched.id, watched.spec, "start")

    async def _serve(self, container_id: str, pid: int, spec: ContainerSpec) -> None:
        """Answer the container's DNS questions and carry what its ports need carried."""
        await self._resolver.add(container_id, pid, spec.resolver.servers)
        await self._carry(container_id, spec)

    async def _carry(self, container_id: str, spec: ContainerSpec) -> None:
        if spec.ports:
            relayed = partial(self._drivers.network.relayed, container_id)
            await self._relay.add(container_id, await self._in_thread(self._starts, relayed))

    async def _end_serving(self, container_id: str) -> None:
        await self._relay.remove(container_id)
        await self._resolver.remove(container_id)

    def _begin(
        self, watched: Watched, *, began: float, health: Health = Health.NONE, is_paused: bool = False
    ) -> None:
        watched.is_running = True
        watched.is_paused = is_paused
        watched.began = began
        watched.ended = None
        watched.health = health
        watched.last_probe = b""
        self._nursery.start_soon(self._guarded, partial(self._follow, watched))
        if not is_paused:
            self._begin_probing(watched)
        watched.announce()

    async def _keep_log(self, watched: Watched) -> None:
        """Before its program runs, so that nothing it writes is lost."""
        log = self._drivers.paths.container_data(watched.id) / "log"
        try:
            await self._logs.add(watched.id, watched.spec, log)
        except errors.ComposerError as error:
            # Its output stays within the bound all the same; the older files are what is missing.
            self._journal.emit(watched.id, watched.spec, "log_not_kept", {"error": error.message})

    def _begin_probing(self, watched: Watched) -> None:
        settings = self._health_settings(watched.spec)
        if settings is None:
            return
        if watched.health is Health.NONE:
            self._set_health(watched, Health.STARTING)
        watched.probing = trio.CancelScope()
        probe = partial(self._probe, watched, settings, watched.probing)
        self._nursery.start_soon(self._guarded, probe)

    # ------------------------------------------------------------------ adopt

    async def adopt_guarded(self, record: ContainerRecord) -> None:
        """As ``adopt``; one container that cannot be taken over must not keep us from the others."""
        await self._guarded(partial(self.adopt, record))

    async def adopt(self, record: ContainerRecord) -> None:
        """Take over one complete container after a former supervisor's death."""
        watched = self._of(record)
        descriptor = self._drivers.runtime.descriptor_of(record.id)
        state = await self._in_thread(self._ends, partial(self._drivers.runtime.state, record.id))
        if descriptor is not None and state.is_running and state.init is not None:
            watched.pidfd = descriptor
            if sharing.has_own_network(record.spec.namespaces):
                await self._serve(record.id, state.init.pid, record.spec)
            ran_for = max(0.0, time.time() - record.started_at)
            await self._keep_log(watched)
            began = trio.current_time() - ran_for
            self._begin(watched, began=began, health=record.health, is_paused=state.is_paused)
            return
        if descriptor is not None:
            os.close(descriptor)
        if not record.started_at:
            return
        ended = await self._in_thread(self._ends, partial(self._containers.settle, record.id))
        watched.ended = ended
        if record.exit_code is None:
            self._emit_end(watched, ended)
        ran_for = max(0.0, ended.finished_at - record.started_at)
        self._decide_restart(watched, ended, ran_for)

    # ------------------------------------------------------------------ the end of a process

    async def _follow(self, watched: Watched) -> None:
        await trio.lowlevel.wait_readable(watched.pidfd)
        trio.lowlevel.notify_closing(watched.pidfd)
        os.close(watched.pidfd)
        watched.pidfd = -1
        ran_for = trio.current_time() - watched.began
        self._end_probing(watched)
        await self._end_serving(watched.id)
        await self._logs.remove(watched.id)
        try:
            ended = await self._in_thread(self._ends, partial(self._containers.settle, watched.id))
        except Exception:  # noqa: BLE001 -- whatever cleaning up met, the process is dead and waiters must know
            traceback.print_exc()
            ended = Ended(exit_code=EXIT_UNKNOWN, oom_killed=False, finished_at=time.time())
        watched.is_running = watched.is_paused = False
        watched.ended = ended
        watched.health = Health.NONE
        self._emit_end(watched, ended)
        self._decide_restart(watched, ended, ran_for)
        watched.announce()

    def _emit_end(self, watched: Watched, ended: Ended) -> None:
        if ended.oom_killed:
            self._journal.emit(watched.id, watched.spec, "oom")
        self._journal.emit(watched.id, watched.spec, "die", {"exitCode": str(ended.exit_code)})

    def _decide_restart(self, watched: Watched, ended: Ended, ran_for: float) -> None:
        record = self._drivers.records.container(watched.id)
        if record is None or record.phase != "ready":
            return
        decision = restart_rules.decide(
            watched.spec.restart,
            exit_code=ended.exit_code,
            wish=record.wish,
            restart_count=record.restart_count,
            ran_for=ran_for,
            previous_delay=watched.restart_delay,
        )
        if isinstance(decision, restart_rules.Restart):
            watched.restart_delay = decision.delay
            watched.restart_pending = trio.CancelScope()
            tries = restart_rules.count_before(
                watched.spec.restart, restart_count=record.restart_count, ran_for=ran_for
            )
            restart = partial(self._restart_later, watched, decision.delay, tries, watched.restart_pending)
            self._nursery.start_soon(self._guarded, restart)
        elif watched.spec.auto_remove and not watched.is_kept:
            self._nursery.start_soon(self._guarded, partial(self._remove_ended, watched, ended))

    async def _remove_ended(self, watched: Watched, ended: Ended) -> None:
        """``--rm``: how it ended is remembered for a while, for whoever asks after the removal."""
        self._ends_of_removed[watched.id] = ended
        while len(self._ends_of_removed) > REMOVED_REMEMBERED:
            del self._ends_of_removed[next(iter(self._ends_of_removed))]
        await self.remove(watched.id, with_anonymous_volumes=True)
        self.when_removed()

    async def _restart_later(
        self, watched: Watched, delay: float, count: int, scope: trio.CancelScope
    ) -> None:
        with scope:
            await trio.sleep(delay)
            async with watched.lock:
                record = self._drivers.records.container(watched.id)
                if record is None or record.wish is not Wish.RUNNING or watched.is_running:
                    return
                with trio.CancelScope(shield=True):
                    self._drivers.records.set_restart_count(watched.id, count + 1)
                    watched.restart_pending = None
                    await self._restart(watched)

    async def _restart(self, watched: Watched) -> None:
        try:
            await self._prepare(watched, {})
            await self._let_run(watched)
        except errors.ComposerError as error:
            # The next command tells the user; until then the journal does.
            self._journal.emit(watched.id, watched.spec, "restart_failed", {"error": error.message})
            watched.announce()
            return
        self._journal.emit(watched.id, watched.spec, "restart")

    def _cancel_restart(self, watched: Watched) -> None:
        if watched.restart_pending is not None:
            watched.restart_pending.cancel()
            watched.restart_pending = None

    # ------------------------------------------------------------------ stop

    async def stop(self, container_id: str, grace: float | None, number: int | None = None) -> None:
        """Stop signal (``number`` instead of its own), grace, SIGKILL; returns when it is gone and settled.

        An infinite grace waits for the end however long it takes.
        """
        record = self._drivers.records.container(container_id)
        if record is None:
            return
        self._containers.wish(container_id, Wish.STOPPED)
        watched = self._of(record)
        self._cancel_restart(watched)
        async with watched.lock:
            if watched.is_prepared:
                await self._discard(watched)
                return
            if not watched.is_running:
                await self._in_thread(self._ends, partial(self._clean_dead, record))
                return
            if not await self._may_stop(watched):
                return
            self._end_probing(watched)
            number = self._stop_signal(record.spec) if number is None else number
            seconds = record.spec.stop_grace_period / 1e9 if grace is None else grace
            self._journal.emit(container_id, record.spec, "kill", {"signal": str(int(number))})
            await self._signal_and_wait(watched, number, seconds)
            self._journal.emit(container_id, record.spec, "stop")

    async def _may_stop(self, watched: Watched) -> bool:
        """Run the hooks; whether there is still something to stop.  If one fails, it is not to be stopped."""
        try:
            await hooks.run(self._drivers.runtime, watched.id, watched.spec, "pre_stop")
        except errors.ComposerError:
            if watched.is_running:
                self._containers.wish(watched.id, Wish.RUNNING)
                raise
        return watched.is_running

    def _end_probing(self, watched: Watched) -> None:
        """No more probes; one under way must not hold up the death of the container."""
        if watched.probing is not None:
            watched.probing.cancel()
            watched.probing = None
        self._drivers.runtime.end_executions(watched.id)

    async def _signal_and_wait(self, watched: Watched, number: int, seconds: float) -> None:
        runtime = self._drivers.runtime
        runtime.kill(watched.id, number)
        self._resume(watched)  # what is frozen hears no signal
        if number != signal.SIGKILL:
            with trio.move_on_after(seconds):
                await self.wait_end(watched.id)
            if not watched.is_running:
                return
            runtime.kill(watched.id, signal.SIGKILL)
        with trio.move_on_after(KILL_DEADLINE):
            await self.wait_end(watched.id)
        if watched.is_running:
            await self._in_thread(self._ends, partial(runtime.kill_all, watched.id))
            with trio.move_on_after(KILL_DEADLINE):
                await self.wait_end(watched.id)
        if watched.is_running:
            message = f"{watched.spec.name} does not die (its process hangs in the kernel)"
            raise errors.RuntimeFailure(message, hint="See `dmesg`; a hung mount is the usual cause.")

    async def _discard(self, watched: Watched) -> None:
        """A prepared container is not to run after all."""
        prepared = self._prepared.pop(watched.id)
        watched.is_prepared = False
        await self._end_serving(watched.id)
        os.close(watched.pidfd)
        watched.pidfd = -1
        prepared.namespace.close()
        await self._in_thread(self._ends, partial(self._containers.settle, watched.id))

    def _clean_dead(self, record: ContainerRecord) -> None:
        """What a dead supervisor may have left of a container that does not run."""
        state = self._drivers.runtime.state(record.id)
        if state.exists and not state.is_running:
            self._drivers.network.disconnect(record.id)
            self._drivers.runtime.release(record.id)

    async def kill(self, container_id: str, number: int) -> None:
        """Send a signal; SIGKILL counts as a stop on request, as with Docker."""
        record = self._containers.record_of(container_id)
        watched = self._of(record)
        if number == signal.SIGKILL:
            self._containers.wish(container_id, Wish.STOPPED)
            self._cancel_restart(watched)
            self._end_probing(watched)
        if watched.is_running:
            self._journal.emit(container_id, record.spec, "kill", {"signal": str(int(number))})
            self._drivers.runtime.kill(container_id, number)
            if number in (signal.SIGKILL, self._stop_signal(record.spec)):
                self._resume(watched)
            if number == signal.SIGKILL:
                with trio.move_on_after(KILL_DEADLINE):
                    await self.wait_end(container_id)

    def _stop_signal(self, spec: ContainerSpec) -> int:
        image = self._drivers.images.find(spec.image_id)
        name = spec.stop_signal or (image.config.stop_signal if image else "") or "SIGTERM"
        return signal_number(name)

    # ------------------------------------------------------------------ pause

    async def pause(self, container_id: str) -> None:
        """Freeze a running container; its health is not probed meanwhile."""
        watched = self._of(self._containers.record_of(container_id))
        async with watched.lock:
            if not watched.is_running:
                raise errors.OperationFailed(f"{watched.spec.name} is not running")
            if watched.is_paused:
                return
            if watched.probing is not None:
                watched.probing.cancel()
                watched.probing = None
            watched.is_paused = True
            try:
                await self._in_thread(self._ends, partial(self._drivers.runtime.pause, container_id))
            except errors.ComposerError:
                watched.is_paused = False
                self._begin_probing(watched)
                raise
            self._journal.emit(container_id, watched.spec, "pause")
            watched.announce()

    async def unpause(self, container_id: str) -> None:
        """Let a paused container go on."""
        watched = self._of(self._containers.record_of(container_id))
        async with watched.lock:
            if not watched.is_paused:
                return
            self._resume(watched)
            self._begin_probing(watched)
            watched.announce()

    def _resume(self, watched: Watched) -> None:
        if watched.is_paused:
            self._drivers.runtime.resume(watched.id)
            watched.is_paused = False
            self._journal.emit(watched.id, watched.spec, "unpause")

    # ------------------------------------------------------------------ wait

    async def wait_end(self, container_id: str) -> Ended:
        """Wait until the container's process ended and no restart is due."""
        if container_id in self._ends_of_removed:
            return self._ends_of_removed[container_id]
        watched = self._of(self._containers.record_of(container_id))
        while watched.is_running or watched.restart_pending is not None or watched.is_prepared:
            await watched.changed.wait()
        if watched.ended is None:
            record = self._containers.record_of(container_id)
            return Ended(
                exit_code=255 if record.exit_code is None else record.exit_code,
                oom_killed=record.oom_killed,
                finished_at=record.finished_at,
            )
        return watched.ended

    async def wait_condition(self, container_id: str, condition: Condition) -> None:
        """Wait until a dependency's condition holds; fails as soon as it no longer can."""
        watched = self._of(self._containers.record_of(container_id))
        while not self._holds(watched, condition):
            await watched.changed.wait()

    def _holds(self, watched: Watched, condition: Condition) -> bool:
        """Whether the condition holds now; raises when it can no longer come to hold."""
        name = watched.spec.name
        is_over = not watched.is_running and watched.restart_pending is None
        exit_code = self._exit_code(watched) if is_over else None
        if condition is Condition.COMPLETED:
            if is_over and exit_code == 0:
                return True
            if is_over:
                raise self._failure(watched, f"{name} did not complete: it exited with {exit_code}")
            return False
        if is_over:
            raise self._failure(watched, f"{name} exited with {exit_code}")
        if condition is Condition.STARTED:
            return watched.is_running
        is_probed = watched.probing is not None or watched.is_paused
        if watched.is_running and not is_probed and watched.health is not Health.HEALTHY:
            message = f"{name} has no healthcheck, so it can never become healthy"
            raise errors.OperationFailed(message, hint="Give it a healthcheck, or wait for service_started.")
        if watched.health is Health.UNHEALTHY:
            raise self._failure(watched, f"{name} is unhealthy")
        return watched.health is Health.HEALTHY

    def _exit_code(self, watched: Watched) -> int:
        if watched.ended is not None:
            return watched.ended.exit_code
        record = self._containers.record_of(watched.id)
        return 255 if record.exit_code is None else record.exit_code

    def _failure(self, watched: Watched, sentence: str) -> errors.OperationFailed:
        log = self._drivers.paths.container_data(watched.id) / "log"
        return errors.OperationFailed(
            reports.with_evidence(sentence, log=log, last_probe=watched.last_probe),
            hint=f"Look at `composer logs {watched.spec.service}`.",
        )

    def is_running(self, container_id: str) -> bool:
        """Whether the container's process lives, as far as this supervisor knows."""
        watched = self._watched.get(container_id)
        return watched is not None and watched.is_running

    # ------------------------------------------------------------------ health

    def _health_settings(self, spec: ContainerSpec) -> HealthSettings | None:
        image = self._drivers.images.find(spec.image_id)
        of_image: Healthcheck | None = image.config.healthcheck if image else None
        return health_rules.effective(spec.healthcheck, of_image)

    async def _probe(self, watched: Watched, settings: HealthSettings, scope: trio.CancelScope) -> None:
        state: HealthState = health_rules.initial(watched.health)
        probes = 0
        with scope:
            while True:
                since = trio.current_time() - watched.began
                await trio.sleep(health_rules.next_delay(state, settings, probes, since))
                passed = await self._passes(watched, settings)
                probes += 1
                since = trio.current_time() - watched.began
                state = health_rules.after_probe(state, settings, passed, since)
                if state.status is not watched.health and watched.is_running:
                    self._set_health(watched, state.status)

    async def _passes(self, watched: Watched, settings: HealthSettings) -> bool:
        request = ExecRequest(argv=settings.argv)
        try:
            result = await self._in_thread(
                self._probes,
                partial(self._drivers.runtime.execute, watched.id, request, seconds=settings.timeout),
            )
        except errors.ComposerError as error:
            watched.last_probe = error.message.encode()
            return False
        watched.last_probe = result.output
        if result.exit_code is None:
            watched.last_probe += b"\n(the probe took longer than its timeout)"
        return result.exit_code == 0

    def _set_health(self, watched: Watched, health: Health) -> None:
        watched.health = health
        self._drivers.records.set_health(watched.id, health)
        self._journal.emit(watched.id, watched.spec, f"health_status: {health.value}")
        watched.announce()

    # ------------------------------------------------------------------ inner

    def _of(self, record: ContainerRecord) -> Watched:
        watched = self._watched.get(record.id)
        if watched is None:
            watched = self._watched[record.id] = Watched(record.id, record.spec)
        return watched

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a background task; what goes wrong with one container must not end the supervisor."""
        try:
            await task()
        except Exception:  # noqa: BLE001 -- the outermost frame of the task: log it and live on
            traceback.print_exc()

    async def _in_thread(self, limiter: trio.CapacityLimiter, call: Callable[[], _Result]) -> _Result:
        return await trio.to_thread.run_sync(call, limiter=limiter)


def signal_number(name: str) -> int:
    """The number of ``SIGTERM``, ``TERM``, ``15``; raises ``UsageError`` for anything else."""
    text = name.strip().upper()
    if text.isdecimal() and 0 < int(text) < signal.NSIG:
        return int(text)
    for candidate in (text, f"SIG{text}"):
        if candidate in signal.Signals.__members__:
            return signal.Signals[candidate]
        base, _, offset = candidate.partition("+")
        if base == "SIGRTMIN" and offset.isdecimal():
            return int(signal.SIGRTMIN) + int(offset)
    message = f"unknown signal {name!r}"
    raise errors.UsageError(message, hint="Use a name such as SIGTERM, or a number.")
