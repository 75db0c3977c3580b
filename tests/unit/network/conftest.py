"""A host of its own for tests that need root: a network namespace in which the driver runs.

Firewalls can be set up and flushed in there without touching the machine; all of it vanishes when
the last descriptor is closed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer.host import netlink, netns, sysctl
from composer.host.database import Database
from composer.host.paths import Paths
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.protocols import Endpoint, NetworkState
from composer.model.stack import PublishedPort
from composer.network.driver import LinuxNetwork

OUTSIDE = "203.0.113.2"
OUTSIDE_ADDRESS_OF_HOST = "203.0.113.1"
OUTSIDE6 = "2001:db8:5::2"
OUTSIDE6_ADDRESS_OF_HOST = "2001:db8:5::1"


class Place:
    """A network namespace in which functions, servers and tools can be run."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._listeners: list[socket.socket] = []

    def run(self, function: Callable):
        return netns.run_in(self.descriptor, function)

    def tool(self, *argv: str, check: bool = True) -> str:
        done = self.run(lambda: subprocess.run(argv, capture_output=True, text=True, check=False))
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, port: int = 80, address: str = "0.0.0.0") -> None:
        """Answer each connection with the caller's address, until the test ends."""

        def listen() -> socket.socket:
            listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if listener.family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind((address, port))
            listener.listen(8)
            return listener

        listener = self.run(listen)
        self._listeners.append(listener)

        def answer() -> None:
            while True:
                try:
                    connection, caller = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(caller[0].removeprefix("::ffff:").encode())

        threading.Thread(target=answer, daemon=True).start()

    def call(self, address: str, port: int = 80, seconds: float = 2.0) -> str:
        """The address that the server saw, or why there was no answer: ``refused``, ``nothing``."""

        def connect() -> str:
            try:
                with socket.create_connection((address, port), seconds) as connection:
                    return connection.recv(100).decode()
            except ConnectionRefusedError:
                return "refused"
            except OSError:
                return "nothing"

        return self.run(connect)

    def serve_datagrams(self, port: int = 53, address: str = "0.0.0.0") -> None:
        """Answer each datagram with the caller's address, until the test ends."""

        def bind() -> socket.socket:
            bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            bound.bind((address, port))
            return bound

        bound = self.run(bind)
        self._listeners.append(bound)

        def answer() -> None:
            while True:
                try:
                    _, caller = bound.recvfrom(100)
                    if caller is None:
                        return  # shut down
                    bound.sendto(caller[0].encode(), caller)
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()

    def ask(self, address: str, port: int = 53, seconds: float = 2.0) -> str:
        """What a server of datagrams saw, or ``refused``, ``nothing``."""

        def exchange() -> str:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_DGRAM) as caller:
                caller.settimeout(seconds)
                try:
                    caller.connect((address, port))
                    caller.send(b"?")
                    return caller.recv(100).decode()
                except ConnectionRefusedError:
                    return "refused"
                except OSError:
                    return "nothing"

        return self.run(exchange)

    def close(self) -> None:
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Machine(Place):
    """The host: a store, a driver, and a neighbour outside at the end of a cable."""

    def __init__(self, descriptor: int, outside: Place, root: Path) -> None:
        super().__init__(descriptor)
        self.outside = outside
        self.paths = Paths(root / "data", root / "run")
        self.paths.make()
        self.database = Database(self.paths.database)
        self.driver = LinuxNetwork(self.paths, self.database)
        self.stack = f"t{uuid.uuid4().hex[:8]}"
        self.containers: dict[str, Place] = {}
        self.processes: list[subprocess.Popen[bytes]] = []

    def create(self, key: str = "default", *, stack: str = "", **fields: object) -> NetworkState:
        stack = stack or self.stack
        spec = NetworkSpec(stack=stack, key=key, name=f"{stack}_{key}", **fields)
        return self.run(lambda: self.driver.create(spec))

    def connect(
        self, container: str, *networks: NetworkState, ports: tuple[PublishedPort, ...] = (), stack: str = ""
    ) -> tuple[Place, str]:
        """A container: the place inside it and its first address."""
        memberships = {network.spec.name: NetworkMembership() for network in networks}
        place, endpoints = self.join(container, memberships, ports=ports, stack=stack)
        return place, endpoints[0].address or endpoints[0].address6

    def join(
        self,
        container: str,
        memberships: dict[str, NetworkMembership],
        *,
        ports: tuple[PublishedPort, ...] = (),
        stack: str = "",
    ) -> tuple[Place, tuple[Endpoint, ...]]:
        """As ``connect``, with settings of each attachment; returns every endpoint."""
        handle, endpoints, _ = self.run(
            lambda: self.driver.connect(container, memberships, [container], ports, stack=stack or self.stack)
        )
        place = Place(os.dup(handle.descriptor))
        handle.close()
        self.containers[container] = place
        return place, endpoints

    def process_of(self, container: str) -> int:
        """A process inside the container that lives until the test ends: what is connected while it runs."""
        descriptor = self.containers[container].descriptor
        process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{os.getpid()}/fd/{descriptor}", "sleep", "1000"], pass_fds=[descriptor]
        )
        self.processes.append(process)
        inside = Path(f"/proc/{os.getpid()}/fd/{descriptor}").stat().st_ino
        deadline = time.monotonic() + 5
        while Path(f"/proc/{process.pid}/ns/net").stat().st_ino != inside:
            assert time.monotonic() < deadline, "it did not enter"
            time.sleep(0.005)
        return process.pid

    def damage(self, network: NetworkState) -> str:
        return self.run(lambda: self.driver.observe(network.spec.stack))[network.spec.name].damage

    def links(self) -> set[str]:
        with netlink.Netlink() as kernel:
            return {link.name for link in kernel.links()}

    def leave(self, container: str) -> None:
        self.containers.pop(container).close()
        self.run(lambda: self.driver.disconnect(container))
        self.run(lambda: self.driver.release_container(container))

    def shut(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for container in list(self.containers):
            self.leave(container)
        self.database.close()
        self.close()
        self.outside.close()


def _lay_cable(host: int, outside: int) -> None:
    def on_host() -> None:
        with netlink.Netlink() as kernel:
            request = netlink.create_veth(
                "uplink", group=7, master=0, peer="uplink", peer_mac=b"\x02\x42\0\0\0\1", namespace=outside
            )
            kernel.change([request])
        _configure(OUTSIDE_ADDRESS_OF_HOST, OUTSIDE6_ADDRESS_OF_HOST)
        with netlink.Netlink() as kernel:
            kernel.change([netlink.set_up("lo")])

    netns.run_in(host, on_host)
    netns.run_in(outside, lambda: _configure(OUTSIDE, OUTSIDE6))


def _configure(address: str, address6: str) -> None:
    sysctl.write_if_known("net/ipv6/conf/uplink/accept_dad", "0")
    with netlink.Netlink() as kernel:
        index = netlink.index_of("uplink")
        kernel.change(
            [
                netlink.add_address(index, address, 24, "uplink"),
                netlink.add_address(index, address6, 64, "uplink"),
                netlink.set_up("uplink"),
            ]
        )


@pytest.fixture
def machine() -> Iterator[Machine]:
    host = netns.make(lambda _descriptor: None)
    outside = netns.make(lambda _descriptor: None)
    _lay_cable(host.descriptor, outside.descriptor)
    root = Path(tempfile.mkdtemp(prefix="composer-test-", dir="/dev/shm"))
    made = Machine(host.descriptor, Place(outside.descriptor), root)
    try:
        yield made
    finally:
        made.shut()
        shutil.rmtree(root)
