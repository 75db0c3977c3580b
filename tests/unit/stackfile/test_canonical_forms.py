"""Short forms become long ones: a table of what is written and what it stands for."""

from __future__ import annotations

import pytest

from composer.stackfile import canonical
from composer.stackfile.tree import at, plain
from tests.unit.stackfile.trees import data, tree

ROWS = [
    ("build: .", "build: {context: .}"),
    ("depends_on: [a]", "depends_on: {a: {condition: service_started, required: true}}"),
    ("dns: 1.1.1.1", "dns: [1.1.1.1]"),
    ("tmpfs: /run", "tmpfs: [/run]"),
    ("env_file: a.env", "env_file: [{path: a.env, required: true}]"),
    (
        "env_file: [a.env, {path: b, required: false}]",
        "env_file: [{path: a.env, required: true}, {path: b, required: false}]",
    ),
    ("label_file: a", "label_file: [a]"),
    ("networks: [a, b]", "networks: {a: , b: }"),
    ("extends: base", "extends: {service: base}"),
    ("secrets: [a]", "secrets: [{source: a}]"),
    ("configs: [a, {source: b, target: /c}]", "configs: [{source: a}, {source: b, target: /c}]"),
    ("build: {context: ., ssh: [default]}", "build: {context: ., ssh: {default: }}"),
    ("devices: [/dev/a]", "devices: [{source: /dev/a, target: /dev/a, permissions: rwm}]"),
    ("devices: ['/dev/a:/dev/b:r']", "devices: [{source: /dev/a, target: /dev/b, permissions: r}]"),
    ("volumes: ['data:/x']", "volumes: [{type: volume, source: data, target: /x, volume: {}}]"),
    (
        "volumes: ['./data:/x:ro']",
        "volumes: [{type: bind, source: ./data, target: /x, read_only: true, bind: {create_host_path: true}}]",
    ),
    ("gpus: all", "gpus: [{count: all}]"),
]


@pytest.mark.parametrize(("written", "meant"), ROWS, ids=[row[0] for row in ROWS])
def test_forms(written: str, meant: str) -> None:
    root = tree(f"services: {{a: {{{written}}}}}")
    assert canonical.canonicalise(root) == []
    assert plain(at(root, ("services", "a"))) == data(meant)


@pytest.mark.parametrize(("written", "meant"), ROWS, ids=[row[0] for row in ROWS])
def test_long_forms_stay(written: str, meant: str) -> None:
    root = tree(f"services: {{a: {{{meant}}}}}")
    assert canonical.canonicalise(root) == []
    assert plain(at(root, ("services", "a"))) == data(meant)


def test_what_exists_already() -> None:
    root = tree("volumes: {v: {external: {name: other}}}")
    assert canonical.canonicalise(root) == []
    assert plain(at(root, ("volumes", "v"))) == {"external": True, "name": "other"}
