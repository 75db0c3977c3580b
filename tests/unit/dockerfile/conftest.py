from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import builds


@pytest.fixture
def shop(tmp_path: Path) -> builds.Workshop:
    """A builder without root and without network."""
    return builds.workshop(tmp_path)


@pytest.fixture(autouse=True)
def _without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    builds.keep_owners(monkeypatch)
