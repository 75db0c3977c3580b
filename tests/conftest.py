"""What every test gets: a store of its own, and root tests only where they can run."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.peers.fixtures import (  # noqa: F401 -- fixtures are found by their names here
    _containers_directory,
    buildah,
    docker,
    peer_directory,
    peer_network,
    podman,
    private_registry,
    registry,
    shared_registry,
    skopeo,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = ("conmon", "nft", "busybox")
"""What root tests need besides one of the two OCI runtimes."""

# Many of us share a machine: slowness there says nothing about the code under test.
settings.register_profile("composer", deadline=None)
settings.load_profile("composer")


def why_no_root_tests() -> str:
    """The reason why root tests cannot run here; "" when they can."""
    if os.geteuid() != 0:
        return "needs root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if not any(shutil.which(tool, path=path) for tool in ("crun", "runc")):
        missing.append("crun or runc")
    return f"not installed: {', '.join(missing)} (see .ci/setup)" if missing else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what cannot run here."""
    reason = why_no_root_tests()
    if not reason:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _private_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test can reach the host's own stacks, nor is led by the caller's settings."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir="/dev/shm") as run:
        for name in [name for name in os.environ if name.startswith(("COMPOSE_", "COMPOSER_"))]:
            patch.delenv(name)
        patch.setenv("COMPOSER_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("COMPOSER_RUN", run)
        yield
