"""``RUN --mount=type=ssh``: the caller's ssh-agent, reachable from one step, for signing only.

The step gets a socket of ours, with the owner and mode that the mount asks for.  What comes through it
is passed on to the agent only when it asks for the list of keys or for a signature (as BuildKit does);
adding, removing and locking keys is refused, so a build cannot change what its caller holds.

Source: draft-miller-ssh-agent, "Protocol messages" (a message is a 32-bit length, a type and the rest).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from composer import errors
from composer.host import process

_ALLOWED = frozenset({11, 13, 27})
"""SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENTC_SIGN_REQUEST, SSH_AGENTC_EXTENSION."""
_FAILURE = b"\x00\x00\x00\x01\x05"
"""SSH_AGENT_FAILURE."""
_LARGEST_MESSAGE = 256 * 1024
"""As OpenSSH's own bound."""
_WAIT_SECONDS = 30.0


@contextmanager
def forwarded(source: str, directory: Path, *, mode: int, uid: int, gid: int) -> Iterator[Path]:
    """A socket in ``directory`` that leads to the agent at ``source``, or to a new one with that key.

    Raises ``BuildError`` when ``source`` is neither a socket nor a key.
    """
    with ExitStack() as stack:
        agent = Path(source)
        if not agent.is_socket():
            if not agent.is_file():
                message = f"ssh: there is neither an agent's socket nor a key at {source}"
                raise errors.BuildError(message, hint="Start ssh-agent, or say --ssh default=PATH.")
            agent = stack.enter_context(_agent_with(agent, directory))
        path = directory / "agent"
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(_short(stack, path))
        path.chmod(mode)
        if (uid, gid) != (os.geteuid(), os.getegid()):
            os.chown(path, uid, gid)
        listener.listen()
        relay = _Relay(listener, agent)
        relay.start()
        # shutdown(2) ends an accept(2) that waits.
        stack.callback(relay.join, _WAIT_SECONDS)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield path


def _short(stack: ExitStack, path: Path) -> str:
    """A name of the socket that fits into the 108 bytes of sun_path (unix(7))."""
    parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, parent)
    return f"/proc/self/fd/{parent}/{path.name}"


class _Relay(threading.Thread):
    """Takes connections until the listener is shut down; each has a thread."""

    def __init__(self, listener: socket.socket, agent: Path) -> None:
        super().__init__(name="ssh agent", daemon=True)
        self._listener = listener
        self._agent = agent

    def run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="ssh agent", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent, contextlib.suppress(OSError):
            agent.connect(str(self._agent))
            while (message := _receive(client)) is not None:
                if message[4] not in _ALLOWED:
                    client.sendall(_FAILURE)
                    continue
                agent.sendall(message)
                answer = _receive(agent)
                if answer is None:
                    return
                client.sendall(answer)


def _receive(connection: socket.socket) -> bytes | None:
    """One message with its length; ``None`` at the end or for what is no message."""
    head = _exactly(connection, 4)
    if head is None:
        return None
    (length,) = struct.unpack(">I", head)
    if not 0 < length <= _LARGEST_MESSAGE:
        return None
    body = _exactly(connection, length)
    return None if body is None else head + body


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    content = bytearray()
    while len(content) < count:
        chunk = connection.recv(count - len(content))
        if not chunk:
            return None
        content += chunk
    return bytes(content)


@contextmanager
def _agent_with(key: Path, directory: Path) -> Iterator[Path]:
    """An agent of our own that holds one key."""
    path = directory / "own"
    try:
        running = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=process.ENVIRONMENT,
            cwd="/",
        )
    except OSError as error:
        message = f"cannot run ssh-agent: {error.strerror}"
        raise errors.HostUnsupported(message, hint="Install openssh-client, or pass an agent.") from error
    with running:
        try:
            assert running.stdout is not None
            running.stdout.readline()  # it says where it listens, once it does
            added = process.run(
                ["ssh-add", "-q", str(key)],
                environment={"SSH_AUTH_SOCK": str(path), "SSH_ASKPASS_REQUIRE": "never"},
                seconds=_WAIT_SECONDS,
            )
            if added.exit_code != 0:
                message = f"ssh: cannot use the key {key}: {added.said or 'ssh-add refused it'}"
                hint = "A key with a passphrase needs an agent: ssh-add it there and say --ssh default."
                raise errors.BuildError(message, hint=hint)
            yield path
        finally:
            running.terminate()
