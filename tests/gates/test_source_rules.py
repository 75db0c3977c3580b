"""Rules of style that no linter knows.  Each test lists every place that breaks its rule."""

from __future__ import annotations

import ast
import re

from tests.gates import source

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
ERRORS_THAT_ARE_NOT_OURS = {"Exception", "BaseException", "RuntimeError", "SystemExit"}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        source.name_of(path) for path in source.modules() if not ast.get_docstring(source.tree_of(path))
    ]
    assert silent == []


def test_every_module_is_called_by_a_noun_of_the_domain() -> None:
    assert [path for path in source.modules() if path.stem in VAGUE_NAMES] == []


def test_only_the_command_line_prints_and_exits() -> None:
    """A supervisor's own log line is the one exception, and says so where it stands."""
    found = []
    for path in source.modules():
        name = source.name_of(path)
        if source.layer_of(name) == "cli":
            continue
        lines = path.read_text("utf-8").splitlines()
        guarded = _calls_in_main_blocks(source.tree_of(path))
        for node in ast.walk(source.tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            says_so = any("noqa: T201" in line for line in lines[node.lineno - 1 : node.end_lineno])
            if (called == "print" and not says_so) or (called == "sys.exit" and node not in guarded):
                found.append(f"{name}:{node.lineno} {called}")
    assert found == []


def _calls_in_main_blocks(tree: ast.Module) -> list[ast.AST]:
    blocks = [n for n in tree.body if isinstance(n, ast.If) and "__name__" in ast.unparse(n.test)]
    return [node for block in blocks for node in ast.walk(block)]


def test_nothing_is_left_for_later() -> None:
    marker = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    found = [source.name_of(path) for path in source.modules() if marker.search(path.read_text("utf-8"))]
    assert found == []


def test_errors_for_callers_are_those_of_the_tree() -> None:
    """``ValueError`` and ``KeyError`` may travel inside a pure module; these would reach the user."""
    found = [
        f"{source.name_of(path)}:{node.lineno}"
        for path in source.modules()
        for node in ast.walk(source.tree_of(path))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func) in ERRORS_THAT_ARE_NOT_OURS
    ]
    assert found == []


def test_packages_are_empty_of_code() -> None:
    """``__init__`` holds a docstring, so that importing a package costs and hides nothing."""
    full = [
        source.name_of(path)
        for path in source.PACKAGE.glob("*/**/__init__.py")
        if any(not isinstance(node, ast.Expr) for node in source.tree_of(path).body)
    ]
    assert full == []
