"""The data files of ``schemas/``: shipped inside the package, beside it in a source tree."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def schema_path(name: str) -> Path:
    """Where a file of ``schemas/`` lies."""
    installed = _PACKAGE / "schemas" / name
    return installed if installed.exists() else _PACKAGE.parent / "schemas" / name


def read_schema(name: str) -> bytes:
    """The content of a file of ``schemas/``."""
    return schema_path(name).read_bytes()
