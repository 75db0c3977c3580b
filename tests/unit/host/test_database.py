"""Transactions: all or nothing, also on a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer import errors
from composer.host.database import Database


def test_a_full_disk_is_said_and_the_connection_goes_on(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    try:
        (pages,) = database.rows("PRAGMA page_count")[0]
        database.rows(f"PRAGMA max_page_count={pages}")  # what SQLite reports as for a full disk
        with pytest.raises(errors.RuntimeFailure, match="full"):
            _write(database, "x" * (1 << 20))
        assert database.rows("SELECT key FROM build_cache") == []
        _write(database, "[]")
        assert len(database.rows("SELECT key FROM build_cache")) == 2
    finally:
        database.close()


def _write(database: Database, layers: str) -> None:
    with database.transaction() as db:
        db.execute("INSERT INTO build_cache VALUES ('one', '[]', 0)")
        db.execute("INSERT INTO build_cache VALUES ('two', ?, 0)", (layers,))
