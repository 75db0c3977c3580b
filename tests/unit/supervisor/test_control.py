"""The control socket: who may speak, and what nonsense costs (S1, S2)."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from composer import errors
from composer.supervisor import client, control


@attrs.frozen
class Server:
    """A socket that is served, and what was asked through it."""

    path: Path
    asked: list[control.Request]
    is_waiting: trio.Event

    async def connect(self) -> trio.SocketStream:
        return trio.SocketStream(await _connected(self.path))


async def _connected(path: Path) -> trio.socket.SocketType:
    channel = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await channel.connect(str(path))
    return channel


async def ask(stream: trio.SocketStream, request: object) -> list[dict[str, object]]:
    """Send a request and take the objects of its answer, up to the result."""
    await stream.send_all(json.dumps(request).encode() + b"\n")
    return await answer(stream)


async def answer(stream: trio.SocketStream) -> list[dict[str, object]]:
    data = b""
    with trio.fail_after(10):
        while True:
            chunk = await stream.receive_some(65536)
            data += chunk
            found = [json.loads(line) for line in data.splitlines() if line]
            if not chunk or (data.endswith(b"\n") and found[-1]["type"] in ("result", "retry")):
                return found


@asynccontextmanager
async def served(directory: Path) -> AsyncIterator[Server]:
    asked: list[control.Request] = []
    is_waiting = trio.Event()

    async def echo(request: control.Request) -> dict[str, object]:
        asked.append(request)
        request.say({"type": "message", "text": "hi"})
        return dict(request.arguments)

    async def wait(_request: control.Request) -> dict[str, object]:
        is_waiting.set()
        await trio.sleep_forever()

    async def fail(_request: control.Request) -> dict[str, object]:
        raise errors.PortTaken("8080 is taken", hint="Choose another.")

    async def break_down(_request: control.Request) -> dict[str, object]:
        raise ZeroDivisionError

    listener = control.bind(directory)
    table = {
        "echo": control.Command(handler=echo),
        "wait": control.Command(handler=wait),
        "fail": control.Command(handler=fail),
        "bug": control.Command(handler=break_down),
    }
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await control.serve(listener, table, on_answered=lambda _: None)

        nursery.start_soon(serve)
        yield Server(directory / client.SOCKET_NAME, asked, is_waiting)
        nursery.cancel_scope.cancel()
    listener.close()


def request(command: str, **arguments: object) -> dict[str, object]:
    return {"v": client.VERSION, "command": command, "arguments": arguments}


async def is_well(server: Server) -> bool:
    """Whether the next client is served as if nothing had been."""
    async with await server.connect() as stream:
        return (await ask(stream, request("echo", a=1)))[-1]["data"] == {"a": 1}


async def test_only_the_owner_may_open_it(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        status = server.path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_uid == os.geteuid()


@pytest.mark.root
async def test_another_user_is_not_answered(tmp_path: Path) -> None:
    """S1: even where the modes were changed, the kernel says who asks."""
    async with served(tmp_path) as server:
        for path in (server.path, *server.path.parents):
            if path.is_relative_to("/tmp/pytest-of-root") or path == server.path:
                path.chmod(0o777)
        script = (
            "import os, socket, sys\n"
            "os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            f"s.sendall({json.dumps(request('echo')).encode()!r} + b'\\n')\n"
            "sys.stdout.write(repr(s.recv(100)))\n"
        )
        import sys

        with trio.fail_after(20):
            done = await trio.run_process(
                [sys.executable, "-I", "-c", script, str(server.path)],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        assert done.stdout in (b"b''", b"")  # closed at once, or reset before it was read
        assert server.asked == []
        assert await is_well(server)


async def test_events_come_before_the_result(tmp_path: Path) -> None:
    async with served(tmp_path) as server, await server.connect() as stream:
        said = await ask(stream, request("echo", x=[1]))
        assert [one["type"] for one in said] == ["message", "result"]
        assert said[-1]["data"] == {"x": [1]}


@pytest.mark.parametrize(
    ("command", "kind"), [("fail", "PortTaken"), ("bug", "InternalError"), ("nosuch", "UsageError")]
)
async def test_errors_are_answers(tmp_path: Path, command: str, kind: str) -> None:
    async with served(tmp_path) as server:
        async with await server.connect() as stream:
            (said,) = await ask(stream, request(command))
            assert said["error"]["kind"] == kind  # type: ignore[index]
        assert await is_well(server)


async def test_another_version_is_told_apart(tmp_path: Path) -> None:
    async with served(tmp_path) as server, await server.connect() as stream:
        (said,) = await ask(stream, {"v": 99, "command": "echo"})
        assert said["error"]["kind"] == "StackLocked"  # type: ignore[index]
        assert "version 1" in said["error"]["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"v":1}',
        b'{"v":1,"command":{}}',
        b"[" * 100_000,
        b"1e999",
    ],
)
async def test_nonsense_is_answered_and_costs_nothing(tmp_path: Path, line: bytes) -> None:
    async with served(tmp_path) as server:
        async with await server.connect() as stream:
            await stream.send_all(line + b"\n")
            (said,) = await answer(stream)
            assert said["exit_code"] != 0
        assert await is_well(server)


async def test_half_a_message_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.2)
    async with served(tmp_path) as server, await server.connect() as stream:
        await stream.send_all(b'{"v": 1, "comma')
        assert await answer(stream) == []
        assert await is_well(server)


async def _taken_of_an_endless_line(stream: trio.SocketStream) -> int:
    """How many bytes went through before the other side closed."""
    sent = 0
    try:
        while sent < 1 << 30:
            await stream.send_all(b"x" * 65536)
            sent += 65536
    except trio.BrokenResourceError:
        pass
    return sent


async def test_a_message_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2, scaled down: a client that never ends its line is closed, and only so much is kept of it."""
    monkeypatch.setattr(control, "LONGEST_REQUEST", 1 << 20)
    async with served(tmp_path) as server:
        stream = await server.connect()
        with trio.fail_after(20):
            assert await _taken_of_an_endless_line(stream) < 1 << 23
        await stream.aclose()
        assert await is_well(server)


async def test_many_idle_clients_are_in_nobodys_way(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        idle = [await server.connect() for _ in range(400)]
        try:
            assert await is_well(server)
        finally:
            for stream in idle:
                await stream.aclose()


async def test_cancel_ends_what_is_under_way(tmp_path: Path) -> None:
    async with served(tmp_path) as server, await server.connect() as stream:
        await stream.send_all(json.dumps(request("wait")).encode() + b"\n")
        await server.is_waiting.wait()
        (said,) = await ask(stream, {"v": client.VERSION, "command": "cancel"})
        assert said["exit_code"] == 130
