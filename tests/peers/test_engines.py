"""The harness itself: each engine runs, and sees the host by the link that it was promised."""

from __future__ import annotations

import io
import shutil
import socket
import tarfile
import threading
from pathlib import Path

import pytest

from tests.peers.engines import Docker, Engine, Podman
from tests.peers.network import Namespace

pytestmark = [pytest.mark.root, pytest.mark.peer]

DOCKERFILE = b"FROM busybox\nRUN echo made > /made\n"


@pytest.fixture(scope="module")
def archive() -> bytes:
    """A root file system of busybox and its shell."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
        for name in ("sh", "cat", "nc"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def test_docker_builds_and_runs(docker: Docker, archive: bytes) -> None:
    docker.ok("import", "-", "busybox", stdin=archive)
    docker.ok("build", "-t", "made", "-", stdin=DOCKERFILE)
    assert docker.ok("run", "--rm", "made", "cat", "/made") == b"made\n"
    assert docker.inspect("made")["RepoTags"] == ["made:latest"]


def test_docker_keeps_its_bridge_to_itself(docker: Docker, peer_network: Namespace) -> None:
    assert docker.call("network", "inspect", "bridge").returncode == 0
    inside = Engine([*peer_network.prefix, "ip"], {})
    assert b"docker0" in inside.ok("link")
    assert not Path("/sys/class/net/docker0").exists()


def test_podman_runs_what_buildah_builds(podman: Podman, buildah: Podman, archive: bytes) -> None:
    podman.ok("import", "-", "docker.io/library/busybox:latest", stdin=archive)
    buildah.ok("bud", "--pull-never", "-t", "localhost/made", "-f", "-", ".", stdin=DOCKERFILE)
    ran = podman.ok("run", "--rm", "localhost/made", "cat", "/made")
    assert ran == b"made\n"


def test_the_host_is_reached_by_the_gateway(peer_network: Namespace) -> None:
    with socket.create_server((peer_network.gateway, 0)) as server:
        port = server.getsockname()[1]

        def answer_once() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"here")

        answer = threading.Thread(target=answer_once)
        answer.start()
        inside = Engine([*peer_network.prefix, "busybox", "nc"], {})
        assert inside.ok(peer_network.gateway, str(port)) == b"here"
        answer.join()
