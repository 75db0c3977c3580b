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
        with pytest.raises(errors.RuntimeFailure, match="full"), database.transaction() as db:
            db.execute("INSERT INTO build_cache VALUES ('small', '[]', 0)")
            db.execute("INSERT INTO build_cache VALUES ('large', ?, 0)", ("x" * (1 << 20),))
        assert database.rows("SELECT key FROM build_cache") == []
        with database.transaction() as db:
            db.execute("INSERT INTO build_cache VALUES ('small', '[]', 0)")
        assert [row["key"] for row in database.rows("SELECT key FROM build_cache")] == ["small"]
    finally:
        database.close()
