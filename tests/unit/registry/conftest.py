"""A scripted registry, a store for what is pulled, and little patience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composer.registry.registry import Registry
from composer.registry.retry import Patience
from tests.fakes import registry as fake
from tests.fakes.blobs import FakeBlobs
from tests.fakes.registry import FakeRegistry

HURRIED = Patience(
    attempts=4, first_delay=0.001, longest_delay=0.01, connect=2.0, stall=0.3, slowest=1000, progress=1000
)


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with fake.serving() as registry:
        yield registry


@pytest.fixture
def blobs(tmp_path: Path) -> FakeBlobs:
    (tmp_path / "blobs").mkdir()
    return FakeBlobs(tmp_path / "blobs")


@pytest.fixture
def registry_as(tmp_path: Path) -> Iterator[Callable[..., Registry]]:
    """Opens the client with an environment of its own."""
    opened = []

    def open_registry(patience: Patience = HURRIED, **environment: str) -> Registry:
        conf = tmp_path / "registries.conf"
        conf.touch()
        registry = Registry(
            {"HOME": str(tmp_path), "CONTAINERS_REGISTRIES_CONF": str(conf), **environment}, patience
        )
        opened.append(registry)
        return registry

    yield open_registry
    for registry in opened:
        registry.close()
