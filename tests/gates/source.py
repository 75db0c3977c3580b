"""The source files that the gates look at, each parsed once."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "composer"


def modules() -> list[Path]:
    """Every module of the package, sorted."""
    return sorted(PACKAGE.rglob("*.py"))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    dotted = path.relative_to(REPOSITORY).with_suffix("").as_posix().replace("/", ".")
    return dotted.removesuffix(".__init__")


def layer_of(module: str) -> str:
    """The package below ``composer`` that a module belongs to; "" for ``composer`` itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every import of composer's own modules: line and dotted name, wherever it stands."""
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "composer":
            # `from composer.host import mounts` may name a module or a value: both lie in that layer.
            names = [node.module] if node.module != "composer" else [f"composer.{a.name}" for a in node.names]
            found += [(node.lineno, name) for name in names]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names if a.name.split(".")[0] == "composer"]
    return found
