"""Pruning: what nothing names; with ``-a`` what no container uses."""

from __future__ import annotations

import io
import sys

import pytest

from composer import errors
from composer.cli.imageverbs import prune
from composer.image.store import Store
from tests.fakes.command_line import Stage


def make_dangling(store: Store) -> None:
    with store.database.transaction() as db:
        db.execute("DELETE FROM tags WHERE reference LIKE '%app%'")


def test_only_dangling_images_go(store: Store, stage: Stage) -> None:
    app = store.get("app:1")
    make_dangling(store)
    assert stage.run(prune, ["-f"]) == 0
    assert stage.out.getvalue().splitlines() == [
        "Deleted Images:",
        f"deleted: {app.id}",
        f"deleted: {app.layers[1]}",
        "",
        "Total reclaimed space: 501kB",
    ]
    assert store.find("base:1") is not None


def test_all_that_no_container_uses(store: Store, stage: Stage) -> None:
    assert stage.run(prune, ["-a", "-f", "--filter", "label=role=base"]) == 0
    assert store.find("base:1") is None
    assert store.find("app:1") is not None
    assert stage.run(prune, ["-a", "-f", "--filter", "until=2026-01-01T00:00:00Z"]) == 0
    assert store.find("app:1") is not None
    assert stage.run(prune, ["-a", "-f"]) == 0
    assert store.list() == []
    assert store.disk_usage() == 0


def test_it_asks(store: Store, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dangling(store)
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert stage.run(prune, []) == 0
    assert "all dangling images" in stage.err.getvalue()
    assert len(store.list()) == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert stage.run(prune, []) == 0
    assert len(store.list()) == 1


def test_an_unknown_filter(store: Store, stage: Stage) -> None:
    with pytest.raises(errors.UsageError, match="invalid filter"):
        stage.run(prune, ["-f", "--filter", "reference=x"])
