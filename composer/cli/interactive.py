"""Sessions of the command line: processes in containers on the caller's streams, and leaving them.

What ``exec``, ``run`` and ``attach`` of a stack and of single containers have in common.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from composer import errors
from composer.cli import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from composer.cli.session import Session
    from composer.model.protocols import ExecRequest
    from composer.runtime.relay import Streams
    from composer.supervisor.client import Connection

ESCAPED = "read escape sequence"
"""What Docker says when the detach keys were pressed."""


def is_at_terminal() -> bool:
    """Whether both our input and our output are a terminal, so that a session can have it."""
    return terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)


def streams(*, takes_input: bool = True, shows_output: bool = True, shows_errors: bool = True) -> Streams:
    """Our descriptors; one that our caller closed is none, and must not be what we opened since."""
    from composer.runtime.relay import Streams

    sys.stdout.flush()
    null = -1 if shows_output and shows_errors else os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    return Streams(
        stdin=0 if takes_input and _is_open(0) else None,
        stdout=1 if shows_output else null,
        stderr=2 if shows_errors else null,
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return sys.stdin is not None and not sys.stdin.closed


def keys_of(text: str | None) -> bytes:
    """The detach keys of ``--detach-keys``, or the usual ones."""
    from composer.runtime import detachkeys

    return detachkeys.parse(text or detachkeys.DEFAULT)


def execute(
    session: Session,
    container_id: str,
    request: ExecRequest,
    *,
    detach: bool = False,
    takes_input: bool = True,
    detach_keys: str | None = None,
) -> int:
    """Run a further process in a container; returns its exit code, 0 when the user left it."""
    import attrs

    from composer.host import mounts, tty
    from composer.runtime import execution
    from composer.runtime.driver import OciRuntime

    keys = keys_of(detach_keys)
    mounts.enter_private_namespace()
    if request.tty:
        request = attrs.evolve(request, console=tty.size_of(0))
    command = OciRuntime(session.paths).execution(container_id, request)
    if detach:
        execution.start(command)
        return 0
    ours = streams(takes_input=takes_input)
    if not request.tty:
        return execution.run(command, ours)
    code = execution.run_with_terminal(command, ours, keys)
    return left(session) if code is None else code


def attached(
    session: Session,
    connection: Connection,
    container_id: str,
    *,
    socket: str,
    streams: Streams,
    tty: bool,
    proxies_signals: bool = True,
    detach_keys: str | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> int | None:
    """Join a container until it ends; returns its exit code, ``None`` when the user left it running.

    ``on_ready`` is called once attached, so that what starts the container then misses no byte of it.
    """
    from composer.runtime import attach, relay

    with proxied_signals(session, container_id, is_active=proxies_signals and not tty):
        outcome = attach.attach(
            socket, streams, terminal=tty, detach_keys=keys_of(detach_keys), on_ready=on_ready
        )
        if outcome.ending is relay.Ending.DETACHED:
            return None
        if outcome.ending is relay.Ending.SIGNALLED:
            return 128 + outcome.signal
        codes = connection.call("wait", {"ids": [container_id]}).get("exit_codes")
    code = codes.get(container_id) if isinstance(codes, dict) else None
    return code if isinstance(code, int) else errors.RuntimeFailure.exit_code


def started(
    session: Session,
    connection: Connection,
    container_id: str,
    *,
    takes_input: bool = True,
    shows_output: bool = True,
    shows_errors: bool = True,
    proxies_signals: bool = True,
    detach_keys: str | None = None,
) -> int:
    """Attach to a container by hand that does not run yet, start it, and stay until it ends or is left."""
    made = connection.call("container_prepare", {"id": container_id})

    def start() -> None:
        connection.call("container_start", {"id": container_id})

    code = attached(
        session,
        connection,
        container_id,
        socket=str(made["socket"]),
        streams=streams(
            takes_input=bool(made.get("stdin")) and takes_input,
            shows_output=shows_output,
            shows_errors=shows_errors,
        ),
        tty=bool(made.get("tty")),
        proxies_signals=proxies_signals,
        detach_keys=detach_keys,
        on_ready=start,
    )
    return left(session) if code is None else code


def not_run(session: Session, error: errors.RuntimeFailure) -> int:
    """The exit code where a container's program cannot be run (126) or is not there (127), as a shell's."""
    from composer.cli.main import show_error
    from composer.runtime import execution

    code = execution.code_for(error.message)
    if code is None:
        raise error
    show_error(error, session.err)
    return code


def left(session: Session) -> int:
    """The user pressed the detach keys: say so, and that is no failure."""
    session.note(ESCAPED)
    return 0


@contextmanager
def proxied_signals(session: Session, container_id: str, *, is_active: bool) -> Iterator[None]:
    """While inside, signals that we get go to the container's first process.

    Not where the container has our terminal: Ctrl-C is a key there.
    """
    import signal

    if not is_active:
        yield
        return

    def on_signal(number: int, _frame: FrameType | None) -> None:
        from composer.runtime.driver import OciRuntime

        OciRuntime(session.paths).kill(container_id, number)

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
    former = {number: signal.signal(number, on_signal) for number in wanted}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def refuse_without_terminal(*, tty: bool) -> None:
    """``-t`` asks for a terminal that our input must be; raises ``UsageError`` as Docker does."""
    if tty and not terminal.is_terminal(sys.stdin):
        raise errors.UsageError("the input device is not a TTY", hint="Leave out -t.")
