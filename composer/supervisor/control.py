"""The supervisor's unix socket: line-delimited JSON, one task per connection.

The socket lies in a directory only we may enter, and the peer's uid is checked as well
(``SO_PEERCRED``, unix(7)).  Requests are bounded in size.  A client that goes away does not stop an
``up`` or ``down`` it asked for; a streaming request (``events``, ``wait``) ends with its client.
"""

from __future__ import annotations

import json
import math
import os
import socket
import struct
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
import trio

from composer import errors
from composer.supervisor import client

if TYPE_CHECKING:
    from pathlib import Path

    from composer.model.events import Event

LONGEST_REQUEST = 16 * 1024 * 1024
"""Bytes of one request line: environment and a stack file from stdin fit many times."""

PATIENCE = 60.0
"""Seconds that a client may take for a request, before its connection is closed."""

_OUTBOX = 20_000
"""Events that may wait for a slow client before more are dropped."""


@attrs.frozen(kw_only=True)
class Request:
    """One request: what to do, with what, and where to say how it goes."""

    command: str
    arguments: dict[str, object]
    say: Callable[[Event], None]


class Ending(Exception):
    """Raised by a handler: this supervisor is ending and the request was not begun."""


Handler = Callable[[Request], Awaitable[dict[str, object]]]


@attrs.frozen(kw_only=True)
class Command:
    """A handler and whether it ends when its client goes away."""

    handler: Handler
    ends_with_client: bool = False


def bind(directory: Path) -> socket.socket:
    """The listening socket, 0600, replacing one that a dead supervisor left."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = f"/proc/self/fd/{descriptor}/{client.SOCKET_NAME}"
        (directory / client.SOCKET_NAME).unlink(missing_ok=True)
        channel.bind(path)
        (directory / client.SOCKET_NAME).chmod(0o600)
        channel.listen(128)
    except OSError as error:
        channel.close()
        message = f"cannot listen at {directory / client.SOCKET_NAME}: {error}"
        raise errors.HostUnsupported(message) from error
    finally:
        os.close(descriptor)
    return channel


async def serve(
    listener: socket.socket, commands: dict[str, Command], *, on_answered: Callable[[str], None]
) -> None:
    """Accept and answer until cancelled; ``on_answered`` is called after each answer was sent."""
    incoming = trio.socket.from_stdlib_socket(listener)
    async with trio.open_nursery() as nursery:
        while True:
            try:
                channel, _ = await incoming.accept()
            except OSError:
                await trio.sleep(0.05)  # out of descriptors: the only cause; others may close theirs
                continue
            nursery.start_soon(_converse, channel, commands, on_answered)


async def _converse(
    channel: trio.socket.SocketType, commands: dict[str, Command], on_answered: Callable[[str], None]
) -> None:
    with channel:
        if not _is_ours(channel):
            return
        stream = trio.SocketStream(channel)
        lines = _Lines(stream)
        try:
            while True:
                line = None
                with trio.move_on_after(PATIENCE):
                    line = await lines.next()
                if line is None:
                    return
                await _answer(line, stream, lines, commands, on_answered)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


def _is_ours(channel: trio.socket.SocketType) -> bool:
    raw = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    assert isinstance(raw, bytes)
    _pid, uid, _gid = struct.unpack("3i", raw)
    return bool(uid in (os.geteuid(), 0))


class _Lines:
    """Reads bounded lines from a stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next line, or ``None`` at the end of the stream or of our patience."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return line
            searched = len(self._buffer)
            if searched > LONGEST_REQUEST:
                return None
            chunk = await self._stream.receive_some(65536)
            if not chunk:
                return None
            self._buffer += chunk


async def _answer(
    line: bytes,
    stream: trio.SocketStream,
    lines: _Lines,
    commands: dict[str, Command],
    on_answered: Callable[[str], None],
) -> None:
    """Answer one request; ``on_answered`` hears of it also when nobody is there any more to read it."""
    try:
        request = _parse(line)
        command = commands[str(request["command"])]
    except errors.ComposerError as error:
        await _send(stream, _failure(error))
        return
    except (ValueError, TypeError, KeyError, RecursionError):
        await _send(stream, _failure(errors.UsageError("the supervisor does not know this request")))
        return
    outbox, inbox = trio.open_memory_channel[dict[str, object]](_OUTBOX)

    def say(event: dict[str, object]) -> None:
        try:
            outbox.send_nowait(event)
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            return  # a client that stopped reading loses events, never the operation

    arguments = request.get("arguments")
    name = str(request["command"])
    asked = Request(command=name, arguments=arguments if isinstance(arguments, dict) else {}, say=say)
    scope = trio.CancelScope()
    async with trio.open_nursery() as listening:
        listening.start_soon(_listen, lines, scope, command.ends_with_client)
        async with trio.open_nursery() as forwarding:
            forwarding.start_soon(_forward, inbox, stream)
            result = await _perform(command, asked, scope)
            outbox.close()  # ends the forwarding, once it has sent everything
        listening.cancel_scope.cancel()
    try:
        await _send(stream, result)
    finally:
        on_answered(name)


async def _perform(command: Command, asked: Request, scope: trio.CancelScope) -> dict[str, object]:
    with scope:
        try:
            data = await command.handler(asked)
        except Ending:
            return {"v": client.VERSION, "type": "retry"}
        except errors.ComposerError as error:
            return _failure(error)
        except Exception as error:  # noqa: BLE001 -- a bug in one request must not end the supervisor
            traceback.print_exc()
            return _failure(errors.InternalError(f"{type(error).__name__}: {error}"))
        return {"v": client.VERSION, "type": "result", "exit_code": 0, "data": data}
    return _failure(errors.Interrupted("stopped on request"))


async def _listen(lines: _Lines, scope: trio.CancelScope, ends_with_client: bool) -> None:  # noqa: FBT001
    """Watch the client while its request is under way: ``cancel``, or that it went away."""
    try:
        line = await lines.next()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        line = None
    is_cancel = line is not None and b'"cancel"' in line
    if is_cancel or (line is None and ends_with_client):
        scope.cancel()
    elif line is None:
        await trio.sleep(math.inf)


async def _forward(inbox: trio.MemoryReceiveChannel[dict[str, object]], stream: trio.SocketStream) -> None:
    async for event in inbox:
        try:
            await _send(stream, event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


async def _send(stream: trio.SocketStream, value: dict[str, object]) -> None:
    await stream.send_all(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def _parse(line: bytes) -> dict[str, object]:
    value = json.loads(line)
    if not isinstance(value, dict):
        message = "a request is an object"
        raise TypeError(message)
    if value.get("v") != client.VERSION:
        message = f"this supervisor speaks version {client.VERSION}, the request is of {value.get('v')!r}"
        hint = "Another composer started it: end it with SIGTERM; the next command starts its successor."
        raise errors.StackLocked(message, hint=hint)
    return value


def _failure(error: errors.ComposerError) -> dict[str, object]:
    return {
        "v": client.VERSION,
        "type": "result",
        "exit_code": error.exit_code,
        "error": client.error_to_json(error),
    }
