"""Loads a stack file written in a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from composer.model.stack import Stack
from composer.stackfile.load import Loaded, LoadRequest, load_stack

Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(
        text: str | bytes,
        *,
        environment: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        **request: object,
    ) -> Loaded:
        for name, content in (files or {}).items():
            (tmp_path / name).write_text(content)
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "compose.yaml").write_bytes(content)
        return load_stack(LoadRequest(directory=str(tmp_path), environment=environment or {}, **request))  # type: ignore[arg-type]

    return loaded


@pytest.fixture
def stack_of(load: Load) -> Callable[..., Stack]:
    return lambda *arguments, **options: load(*arguments, **options).stack
