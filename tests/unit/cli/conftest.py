"""Every test has a store of its own and no settings of the caller's."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _private_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMPOSE_PROGRESS", "COMPOSE_ANSI", "NO_COLOR", "COMPOSE_PROJECT_NAME", "COMPOSE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMPOSER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COMPOSER_RUN", str(tmp_path / "run"))
