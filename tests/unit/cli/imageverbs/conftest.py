"""A store with two images, opened by the commands under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from composer.cli.imageverbs import opening
from composer.host.database import Database
from composer.host.paths import Paths
from composer.image.store import Store
from composer.model.image import HistoryEntry, ImageConfig
from tests.fakes.command_line import Stage


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """``base:1`` of 2026-01-01 with a label, ``app:1`` and ``reg.example:5000/app:2`` of 2026-02-01."""
    paths = Paths(tmp_path / "data", tmp_path / "run")
    paths.make()
    database = Database(paths.database)
    store = Store(paths, database)
    base = _layer(store, "base", 1000)
    store.add_image(
        ImageConfig(command=("sh",), labels={"role": "base"}),
        [base],
        history=[HistoryEntry(created="2026-01-01T00:00:00Z", created_by="ADD rootfs /", comment="imported")],
        tags=["base:1"],
        created="2026-01-01T00:00:00Z",
    )
    store.add_image(
        ImageConfig(environment={"A": "1"}),
        [base, _layer(store, "app", 500_000)],
        history=[
            HistoryEntry(created="2026-01-01T00:00:00Z", created_by="ADD rootfs /"),
            HistoryEntry(created="2026-02-01T00:00:00Z", created_by="ENV A=1", is_empty=True),
            HistoryEntry(
                created="2026-02-01T00:00:00Z",
                created_by="RUN make a very long line that nobody wants to see whole",
            ),
        ],
        tags=["app:1", "reg.example:5000/app:2"],
        created="2026-02-01T00:00:00Z",
    )
    monkeypatch.setattr(opening, "open_store", lambda _session: store)
    yield store
    database.close()


def _layer(store: Store, name: str, size: int) -> str:
    tree = store.staging("test") / "tree"
    tree.mkdir()
    (tree / name).write_bytes(bytes(size))
    return store.add_layer(tree)


@pytest.fixture
def stage() -> Stage:
    return Stage(None, [])
