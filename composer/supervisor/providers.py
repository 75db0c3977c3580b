"""Runs the programs that provide services, and remembers what they set (``planner.providing``).

``<data>/provided/<stack>.json`` holds the variables of the last ``up``, so that ``plan`` compares with what
the containers were given.  They may be secrets: the file is for root alone, and goes with ``down``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from composer import errors
from composer.host import durable
from composer.model import events
from composer.planner import providing

if TYPE_CHECKING:
    from composer.model.events import EventSink
    from composer.model.stack import Service, Stack

_PLUGINS = ("/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
            "/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins")  # fmt: skip
"""Where Docker looks for ``docker-TYPE`` besides ``~/.docker/cli-plugins``."""
_LONGEST_LINE = 1 << 20
_SAID = 2000


def remembered(path: Path) -> providing.Variables:
    """What the providers of a stack set the last time."""
    try:
        found: providing.Variables = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def remember(path: Path, variables: providing.Variables) -> None:
    """Keep what they set; raises ``RuntimeFailure``."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    durable.write(path, json.dumps(variables, sort_keys=True).encode())


async def ask(
    service: Service, stack: Stack, verb: str, environment: Mapping[str, str], say: EventSink
) -> dict[str, str]:
    """Run ``TYPE compose ... VERB``; returns the variables that it set for dependents.

    Raises ``OperationFailed`` with the program's own words.  A cancelled caller ends the program.
    """
    assert service.provider is not None
    program = _program(service.provider.type, environment)
    if program is None:
        message = f"{service.name}: the provider {service.provider.type} is not installed"
        hint = "It is a program in PATH, or a plugin docker-NAME of Docker's."
        raise errors.HostUnsupported(message, hint=hint)
    argv = (program, *providing.arguments_of(service, stack.name, verb))
    variables: dict[str, str] = {}
    failure = ""
    said = bytearray()
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=stack.directory,
                check=False,
            )
        )
        nursery.start_soon(_keep_end, process.stderr, said)
        async for line in _lines(process.stdout):
            try:
                told = providing.message_of(line)
                if told.kind in ("setenv", "rawsetenv"):
                    name, value = providing.variable_of(service.name, told)
                    variables[name] = value
                elif told.kind == "error":
                    failure = told.text
                elif told.kind == "info":
                    say(events.message("info", f"{service.name}: {told.text}"))
            except ValueError as error:
                failure = f"it does not speak the protocol ({error})"
                process.terminate()
    if failure or process.returncode:
        why = failure or said.decode(errors="replace").strip() or f"exit code {process.returncode}"
        message = f"{service.name}: its provider {service.provider.type} failed to {verb}: {why}"
        raise errors.OperationFailed(message)
    return variables


def _program(kind: str, environment: Mapping[str, str]) -> str | None:
    home = environment.get("HOME", "")
    plugins = (*((f"{home}/.docker/cli-plugins",) if home else ()), *_PLUGINS)
    for name, path in ((f"docker-{kind}", ":".join(plugins)), (kind, environment.get("PATH", ""))):
        found = shutil.which(name, path=path)
        if found is not None:
            return found
    return None


async def _lines(stream: trio.abc.ReceiveStream | None) -> AsyncIterator[str]:
    rest = b""
    assert stream is not None
    async for chunk in stream:
        *lines, rest = (rest + bytes(chunk)).split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode(errors="replace")
        rest = rest[:_LONGEST_LINE]
    if rest.strip():
        yield rest.decode(errors="replace")


async def _keep_end(stream: trio.abc.ReceiveStream | None, said: bytearray) -> None:
    assert stream is not None
    async for chunk in stream:
        said += chunk
        del said[:-_SAID]
