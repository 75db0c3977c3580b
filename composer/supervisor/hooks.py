"""``post_start`` and ``pre_stop``: commands in a running container, one after the other.

As Docker Compose has it: they run when a container is started or stopped on request, not when its policy
restarts it, it is killed or dies by itself; the first that fails ends the request, and the container stays
as it is, running.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio

from composer import errors
from composer.model.protocols import ExecRequest

if TYPE_CHECKING:
    from composer.model.container import ContainerSpec
    from composer.model.deploy import Hook
    from composer.model.protocols import ExecResult, Runtime

LONGEST = 7 * 24 * 3600.0
"""Seconds.  A hook has no bound of its own: the request that runs it has."""

SHOWN_LINES = 20


async def run(runtime: Runtime, container_id: str, spec: ContainerSpec, kind: str) -> None:
    """Run the hooks of a kind; raises ``OperationFailed`` with what the failing one said.

    When the caller is cancelled the command under way goes on in the container, as with ``exec``.
    """
    hooks: Sequence[Hook] = spec.post_start if kind == "post_start" else spec.pre_stop
    for hook in hooks:
        request = ExecRequest(
            argv=hook.command,
            environment=hook.environment,
            user=hook.user or None,
            working_dir=hook.working_dir or None,
            is_privileged=hook.privileged,
        )
        execute = partial(runtime.execute, container_id, request, seconds=LONGEST)
        # Its own limiter: hooks last as long as they like, and must not keep others from starting.
        result = await trio.to_thread.run_sync(
            execute, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
        )
        if result.exit_code != 0:
            raise errors.OperationFailed(_report(spec, kind, hook, result))


def _report(spec: ContainerSpec, kind: str, hook: Hook, result: ExecResult) -> str:
    how = "did not end" if result.exit_code is None else f"exited with {result.exit_code}"
    lines = result.output.decode("utf-8", errors="replace").splitlines()[-SHOWN_LINES:]
    said = ["  | " + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line) for line in lines]
    return "\n".join([f"{spec.name}: {kind} hook {' '.join(hook.command)!r} {how}", *said])
