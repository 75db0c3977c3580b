"""Fixtures for tests that compare with other engines; ``tests/conftest.py`` offers them everywhere.

Each lives for the whole run and starts when the first test asks for it.  A test that asks for one is
marked ``peer`` and ``root``; where the engine is not installed it is skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.engines import Docker, Engine, Podman, plain_environment
from tests.peers.network import Namespace
from tests.peers.registry import Registry


def need(*programs: str) -> None:
    """Skip the test unless these programs are here and may do what they need."""
    if os.geteuid() != 0:
        pytest.skip("other engines need root")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (see .ci/setup --peers)")


@pytest.fixture(scope="session")
def peer_directory() -> Iterator[Path]:
    """A directory on a real disk (overlayfs does not stack on every other) that is removed in the end."""
    directory = Path(tempfile.mkdtemp(prefix="composer-peers-", dir="/var/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def peer_network() -> Iterator[Namespace]:
    """The network namespace that every peer of this run is in."""
    need("ip", "nsenter", "setpriv")
    with Namespace("peer") as namespace:
        yield namespace


@pytest.fixture(scope="session")
def docker(peer_directory: Path, peer_network: Namespace) -> Iterator[Docker]:
    """``docker.ok("build", ...)`` against a daemon of this run, with the classic builder."""
    need("docker", "dockerd", "containerd")
    directory = peer_directory / "docker"
    directory.mkdir()
    with Docker(directory, peer_network) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def _containers_directory(peer_directory: Path) -> Path:
    directory = peer_directory / "containers"
    directory.mkdir()
    return directory


@pytest.fixture(scope="session")
def podman(_containers_directory: Path, peer_network: Namespace) -> Iterator[Podman]:
    """``podman.ok("run", ...)`` with a store of this run."""
    need("podman", "runc")
    with Podman(_containers_directory, peer_network) as engine:
        yield engine


@pytest.fixture(scope="session")
def buildah(_containers_directory: Path, peer_network: Namespace) -> Iterator[Podman]:
    """``buildah.ok("bud", "--pull-never", ...)``; its store is Podman's."""
    need("buildah", "runc")
    with Podman(_containers_directory, peer_network, "buildah") as engine:
        yield engine


@pytest.fixture(scope="session")
def skopeo(peer_network: Namespace) -> Engine:
    """``skopeo.ok("inspect", "docker-archive:FILE")``; it is run on the host."""
    need("skopeo")
    return Engine(["skopeo"], plain_environment())


@pytest.fixture(scope="session")
def registry(peer_directory: Path) -> Iterator[Registry]:
    """A registry on 127.0.0.1 that lets everybody pull and push: ``registry.host``."""
    need("docker-registry", "setpriv")
    directory = peer_directory / "registry"
    directory.mkdir()
    with Registry(directory) as server:
        yield server


@pytest.fixture(scope="session")
def private_registry(peer_directory: Path) -> Iterator[Registry]:
    """One that wants a login: ``registry.users``."""
    need("docker-registry", "setpriv", "htpasswd")
    directory = peer_directory / "private-registry"
    directory.mkdir()
    with Registry(directory, users={"ann": "s3cret:with colon"}) as server:
        yield server


@pytest.fixture(scope="session")
def shared_registry(peer_directory: Path, peer_network: Namespace) -> Iterator[Registry]:
    """One that the other engines reach as well, by the link to their namespace."""
    need("docker-registry", "setpriv")
    directory = peer_directory / "shared-registry"
    directory.mkdir()
    with Registry(directory, address=peer_network.gateway) as server:
        yield server
