"""The client side of a supervisor's socket.  Standard library only: it is on the hot path.

One request per connection at a time, one JSON object per line, both ways.  The server answers with
event objects (``model.events``) and ends with one ``result``::

    -> {"v": 1, "command": "up", "arguments": {...}}
    <- {"v": 1, "type": "step", ...}
    <- {"v": 1, "type": "result", "exit_code": 0, "data": {...}}

``cancel`` may be sent while an answer is awaited.  ``{"type": "retry"}`` says that this supervisor
is ending and the request was not begun: ask its successor.
"""

from __future__ import annotations

import _socket  # the C half only: the Python half costs 5 ms of a command that takes 50
import json
import os
from collections.abc import Callable, Iterator

from composer import errors

VERSION = 1
SOCKET_NAME = "control.sock"

Json = dict[str, object]
Reopen = Callable[[], "Connection"]


class Connection:
    """An open connection to the supervisor of one stack."""

    def __init__(self, channel: _socket.socket, reopen: Reopen | None = None) -> None:
        self._channel = channel
        self._buffer = b""
        self._reopen = reopen

    @classmethod
    def open(cls, run: str, stack: str, reopen: Reopen | None = None) -> Connection | None:
        """Connect, or return ``None`` when no supervisor listens for this stack."""
        try:
            directory = os.open(f"{run}/stacks/{stack}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            # Through the descriptor: a socket's path is limited to 107 bytes (unix(7)), a directory's not.
            channel.connect(f"/proc/self/fd/{directory}/{SOCKET_NAME}")
        except OSError:
            channel.close()
            return None
        finally:
            os.close(directory)
        return cls(channel, reopen)

    def call(self, command: str, arguments: Json, on_event: Callable[[Json], None] | None = None) -> Json:
        """Ask and wait for the result; raises the error the supervisor answered with."""
        while True:
            answer = self._ask(command, arguments, on_event)
            if answer is not None:
                return answer
            if self._reopen is None:
                message = "the supervisor of this stack is ending"
                raise errors.StackLocked(message, hint="Run the command again.")
            self.close()
            successor = self._reopen()
            self._channel, self._buffer = successor._channel, b""

    def cancel(self) -> None:
        """Ask the supervisor to stop the request under way; safe in a signal handler."""
        self._send({"v": VERSION, "command": "cancel"})

    def close(self) -> None:
        """Close the connection; a running ``up`` or ``down`` goes on without us."""
        self._channel.close()

    def __enter__(self) -> Connection:  # noqa: PYI034 -- `typing` would cost 14 ms here
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, command: str, arguments: Json, on_event: Callable[[Json], None] | None) -> Json | None:
        """The result's data, or ``None`` when the request must be made to a successor."""
        has_begun = False
        try:
            self._send({"v": VERSION, "command": command, "arguments": arguments})
            for line in self._lines():
                answer = json.loads(line)
                kind = answer.get("type")
                if kind == "retry":
                    return None
                if kind == "result":
                    return _data_of(answer)
                has_begun = True
                if on_event is not None:
                    on_event(answer)
        except (BrokenPipeError, ConnectionResetError):
            if not has_begun:
                return None
        if not has_begun:
            return None
        message = "the supervisor died while it was working"
        raise errors.OperationFailed(message, hint=f"Run `composer {command}` again: it goes on from there.")

    def _lines(self) -> Iterator[bytes]:
        """The lines that arrive, until the other side closes."""
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                yield line
                continue
            chunk = self._channel.recv(1 << 18)
            if not chunk:
                return
            self._buffer += chunk

    def _send(self, value: Json) -> None:
        self._channel.sendall(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def _data_of(result: Json) -> Json:
    problem = result.get("error")
    if isinstance(problem, dict):
        raise error_from(problem)
    data = result.get("data")
    return data if isinstance(data, dict) else {}


def error_to_json(error: errors.ComposerError) -> Json:
    """An error as the socket carries it: by the nearest kind that every process knows."""
    kind = next(kind for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind)
    value: Json = {"kind": kind.__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, errors.StackFileError):
        value["problems"] = [
            {slot: getattr(problem, slot) for slot in errors.Problem.__slots__} for problem in error.problems
        ]
    if isinstance(error, errors.BuildError):
        value["output"] = error.output
    return value


def error_from(value: Json) -> errors.ComposerError:
    """The error that ``error_to_json`` described."""
    kind = getattr(errors, str(value.get("kind")), errors.InternalError)
    message, hint = str(value.get("message", "")), str(value.get("hint", ""))
    problems = value.get("problems")
    if isinstance(problems, list):
        return errors.StackFileError([errors.Problem(**problem) for problem in problems])
    if kind is errors.BuildError:
        return errors.BuildError(message, hint=hint, output=str(value.get("output", "")))
    if isinstance(kind, type) and issubclass(kind, errors.ComposerError):
        error: errors.ComposerError = kind(message, hint=hint)
        return error
    return errors.InternalError(message, hint=hint)
