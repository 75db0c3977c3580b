"""A store in a directory of its own, and images to fill it with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.host.database import Database
from composer.host.paths import Paths
from composer.image.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.make()
    database = Database(paths.database)
    yield Store(paths, database)
    database.close()
