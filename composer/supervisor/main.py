"""The life of a supervisor process: born by fork, adopts, serves, heals, ends after ``down``.

Exactly one lives per stack: it holds ``flock`` on ``<run>/stacks/<stack>/supervisor.lock``, which the
kernel releases when it dies.  Files beside it: ``supervisor.pid``, ``supervisor.log`` (its stderr),
``control.sock``.  They are all removed when the stack is down.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import pickle
import resource
import signal
import socket
import sys
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING

from composer import errors
from composer.supervisor.client import SOCKET_NAME, Connection

if TYPE_CHECKING:
    from pathlib import Path

    import trio

    from composer.host.paths import Paths
    from composer.stackfile.load import Loaded, LoadRequest
    from composer.supervisor.journal import Journal

BIRTH_DEADLINE = 30.0
"""Seconds within which a supervisor must answer after it was forked."""

MOST_BIRTHS = 20
"""Children that may end without listening: each may have met a supervisor that was just ending."""

HEAL_INTERVAL = 2.0
"""Seconds between looks at networks and links (a flushed ruleset is back within twice this)."""

REAP_PAUSE = 0.02
"""Seconds between the death of a child and the look for orphans among the dead."""

JOURNAL_INTERVAL = 0.1
"""Seconds within which an event reaches the journal on disk."""

_PR_SET_CHILD_SUBREAPER = 36


def ensure_supervisor(
    paths: Paths,
    stack: str,
    seed: tuple[LoadRequest, Loaded] | None = None,
    nursling: Nursling | None = None,
) -> Connection:
    """Connect to the stack's supervisor, forking one when none lives.

    ``seed`` is what the caller has loaded already; ``nursling`` a child that was forked for this.
    Safe against any number of callers at once: all but one child find the lock held and end.
    """
    reopen = partial(ensure_supervisor, paths, stack, seed)
    deadline = time.monotonic() + BIRTH_DEADLINE
    births = 0
    while True:
        connection = Connection.open(str(paths.run), stack, reopen)
        if connection is not None:
            return connection
        if time.monotonic() > deadline or births >= MOST_BIRTHS:
            log = paths.stack_run(stack) / "supervisor.log"
            message = f"the supervisor of {stack} does not start"
            raise errors.InternalError(message, hint=f"Its last words are in {log}.")
        paths.make()
        (nursling or Nursling()).hatch(paths, stack, seed)
        nursling = None
        births += 1


class Nursling:
    """A supervisor in the making: a forked child that imports its code and waits for its orders.

    Forked before its parent loads the stack file, so that the two do at once what would take twice as
    long one after the other.  When the parent ends without orders (the file is wrong), so does it.
    """

    def __init__(self) -> None:
        orders, self._orders = os.pipe()
        self._ready, report = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.close(self._orders)
            os.close(self._ready)
            # A second fork: the supervisor must not be a child that its caller would have to reap.
            if os.fork() != 0:
                os._exit(0)
            _wait_and_live(orders, report)
        os.close(orders)
        os.close(report)
        os.waitpid(child, 0)

    def hatch(self, paths: Paths, stack: str, seed: tuple[LoadRequest, Loaded] | None) -> None:
        """Give the child its orders and wait until it listens or gave up."""
        with os.fdopen(self._orders, "wb") as pipe:
            pickle.dump((paths, stack, seed), pipe)
        with os.fdopen(self._ready, "rb") as answers:
            answers.read()


def _wait_and_live(orders: int, report: int) -> None:
    """The child: import, wait, live; never returns."""
    try:
        null = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        gc.set_threshold(700)
        _import_everything()
        with os.fdopen(orders, "rb") as pipe:
            content = pipe.read()
        if content:
            # From our own parent through a pipe that only the two of us hold.
            paths, stack, seed = pickle.loads(content)  # noqa: S301
            _child(paths, stack, seed, report)
    finally:
        os._exit(0)


def _import_everything() -> None:
    """What a supervisor will need: a third of a second, while the parent reads the stack file."""
    import composer.engine.drivers
    import composer.image.store
    import composer.network.driver
    import composer.runtime.driver
    import composer.supervisor.commands
    import composer.supervisor.control
    import composer.supervisor.relay
    import composer.supervisor.resolver  # noqa: F401
    from composer.model import canonical
    from composer.model.container import ContainerSpec

    canonical.from_json(ContainerSpec, '{"stack":"","service":"","number":1,"name":"","image":""}')


def _child(paths: Paths, stack: str, seed: tuple[LoadRequest, Loaded] | None, report: int) -> None:
    """Everything of a supervisor's life; never returns."""
    status = 1
    try:
        directory = paths.stack_run(stack)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _detach(directory, report)
        lock = _lock(directory)
        if lock is not None:
            _live(paths, stack, seed, report, directory)
        status = 0
    except BaseException:  # noqa: BLE001 -- the last frame of a process: nowhere else to report
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _detach(directory: Path, report: int) -> None:
    """Leave the caller's session, terminal, directory, environment and descriptors behind."""
    from composer.host import process

    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    log = os.open(directory / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, report)
    os.closerange(report + 1, 65536)
    sys.stdout = sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    process.keep_to_ourselves()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a thousand idle clients are in nobody's way
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _lock(directory: Path) -> int | None:
    """The stack's lock, or ``None`` when another supervisor holds it.

    The exit hook of a container takes the lock for an instant to see whether anybody lives, so one
    refusal proves nothing: try for a moment.  A lock on a file that was unlinked meanwhile is none.
    """
    path = directory / "supervisor.lock"
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if _answers(directory):
                return None
            time.sleep(0.01)
            continue
        try:
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except FileNotFoundError:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(descriptor)
    return None


def _answers(directory: Path) -> bool:
    """Whether somebody listens at the stack's socket."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.connect(f"/proc/self/fd/{descriptor}/{SOCKET_NAME}")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _live(
    paths: Paths, stack: str, seed: tuple[LoadRequest, Loaded] | None, report: int, directory: Path
) -> None:
    """Serve until the stack is down or we are told to go."""
    import trio

    from composer.host import mounts
    from composer.supervisor import control

    mounts.enter_private_namespace()
    (directory / "supervisor.pid").write_text(f"{os.getpid()}\n")
    listener = control.bind(directory)
    ended = trio.run(_supervise, paths, stack, seed, listener, report)
    listener.close()
    if ended:
        for name in (SOCKET_NAME, "supervisor.pid", "supervisor.log", "supervisor.lock"):
            (directory / name).unlink(missing_ok=True)
        try:
            directory.rmdir()
        except OSError:
            return  # a successor began already; the directory is its now


async def _supervise(
    paths: Paths,
    stack: str,
    seed: tuple[LoadRequest, Loaded] | None,
    listener: socket.socket,
    report: int,
) -> bool:
    """Adopt, then serve; returns whether the stack is down (else we were told to go)."""
    import trio

    from composer.engine.drivers import open_drivers
    from composer.supervisor import byhand, commands, control, journal, loading
    from composer.supervisor.converge import Convergence
    from composer.supervisor.relay import Relay
    from composer.supervisor.resolver import Resolver
    from composer.supervisor.watch import Watch

    drivers = open_drivers(paths)
    events = journal.Journal(drivers.records, stack)
    loader = loading.Loader()
    if seed is not None:
        loader.remember(*seed)
    outcome = False
    async with trio.open_nursery() as nursery:
        resolver = Resolver(drivers.network, stack, nursery)
        watch = Watch(drivers, resolver, Relay(nursery), events, nursery)
        convergence = Convergence(drivers, stack, watch, loader)
        handlers = commands.Commands(drivers, convergence, watch, events, loader)
        check = trio.Event()

        def look_again() -> None:
            check.set()

        def answered(command: str) -> None:
            is_ending = command in {"up", "down", "rm", "remove_one_off", "run"}
            if is_ending or (command.startswith(byhand.PREFIX) and command not in byhand.LOOKS):
                look_again()

        watch.when_removed = look_again
        nursery.start_soon(_end_on_signal, nursery.cancel_scope)
        nursery.start_soon(_reap)
        await convergence.adopt()
        nursery.start_soon(partial(control.serve, listener, handlers.table(), on_answered=answered))
        nursery.start_soon(_heal_for_ever, convergence)
        nursery.start_soon(_write_journal, events)
        os.close(report)
        while not outcome:
            await check.wait()
            check = trio.Event()
            outcome = await handlers.end_if_empty()
        nursery.cancel_scope.cancel()
    return outcome


async def _write_journal(events: Journal) -> None:
    import trio

    while True:
        await trio.sleep(JOURNAL_INTERVAL)
        events.flush()


async def _end_on_signal(scope: trio.CancelScope) -> None:
    """SIGTERM: stop supervising; containers run on, and the next command starts a successor."""
    import trio

    with trio.open_signal_receiver(signal.SIGTERM) as received:
        async for _ in received:
            scope.cancel()


async def _reap() -> None:
    """Collect orphans as they die: a container's pid namespace may be waiting for it."""
    import trio

    from composer.host import process

    with trio.open_signal_receiver(signal.SIGCHLD) as received:
        async for _ in received:
            await trio.sleep(REAP_PAUSE)  # deaths come in flocks, and one look sees them all
            process.reap_orphans()


async def _heal_for_ever(convergence: object) -> None:
    import trio

    from composer.host import process
    from composer.supervisor.converge import Convergence

    assert isinstance(convergence, Convergence)
    while True:
        await trio.sleep(HEAL_INTERVAL)
        process.reap_orphans()
        try:
            await convergence.heal(lambda _event: None)
        except errors.ComposerError as error:
            print(f"healing: {error.message}", file=sys.stderr, flush=True)  # noqa: T201 -- our log
        except Exception:  # noqa: BLE001 -- a bug in healing must not end the supervisor
            traceback.print_exc()
