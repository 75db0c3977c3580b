"""Imports go down only (docs/architecture.md, layers): a sketch that the code is held to."""

from __future__ import annotations

import pytest

from tests.gates import source

PURE = {"errors", "model", "stackfile", "graph", "planner"}
CAPABILITIES = {"image", "registry", "dockerfile", "runtime", "network"}
EVERYTHING_BELOW_ENTRY = {*PURE, "host", *CAPABILITIES, "engine"}

ALLOWED: dict[str, set[str]] = {
    "": {"cli"},  # __main__
    "errors": set(),
    "model": {"errors"},
    "stackfile": {"errors", "model"},
    "graph": {"errors", "model"},
    "planner": {"errors", "model", "graph"},
    "host": PURE,
    **{name: {*PURE, "host"} for name in CAPABILITIES},
    "engine": {*PURE, "host", *CAPABILITIES},
    "supervisor": EVERYTHING_BELOW_ENTRY,
    "cli": {*EVERYTHING_BELOW_ENTRY, "supervisor"},
}
"""For each package, which others it may import (its own always)."""


def layer(module: str) -> str:
    return "" if module == "composer.__main__" else source.layer_of(module)


def violations(module: str, imported: list[tuple[int, str]]) -> list[str]:
    own = layer(module)  # `composer` itself is the version only: anybody may have it
    allowed = {*ALLOWED[own], own}
    return [
        f"{module}:{line} imports {name}"
        for line, name in imported
        if name != "composer" and source.layer_of(name) not in allowed
    ]


def test_every_package_has_a_place_in_the_layers() -> None:
    packages = {layer(source.name_of(path)) for path in source.modules()}
    assert packages <= set(ALLOWED)


def test_imports_go_down_only() -> None:
    found = [
        line
        for path in source.modules()
        for line in violations(source.name_of(path), source.imports_of(path))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("composer.model.stack", "composer.host.paths"),
        ("composer.runtime.driver", "composer.network.driver"),
        ("composer.planner.reconcile", "composer.engine.observe"),
        ("composer.engine.executor", "composer.supervisor.watch"),
        ("composer.supervisor.main", "composer.cli.main"),
    ],
)
def test_the_gate_sees_an_import_that_goes_up(module: str, imported: str) -> None:
    assert violations(module, [(1, imported)]) == [f"{module}:1 imports {imported}"]
