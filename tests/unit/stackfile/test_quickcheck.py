"""The compiled schema says exactly when ``jsonschema`` does: on what people write, and on near misses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.model.data import read_schema
from composer.stackfile import quickcheck, yamltree
from composer.stackfile.tree import Node, Place, plain
from tests.unit.stackfile.trees import tree

SCHEMA = json.loads(read_schema("stack.schema.json"))
CHECKER = quickcheck.Checker(SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CORPUS = Path(__file__).parents[4] / "shared" / "corpus"

KEYS = sorted({*SCHEMA["properties"], *SCHEMA["$defs"]["service"]["properties"], "x-a", "unknown"})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "80", "10s"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "a", "b"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def as_tree(value: object) -> Node:
    place = Place("f", 1, 1)
    if isinstance(value, dict):
        return Node({key: as_tree(child) for key, child in value.items()}, place)
    if isinstance(value, list):
        return Node([as_tree(child) for child in value], place)
    return Node(value, place)  # type: ignore[arg-type]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_services(service: dict[str, object]) -> None:
    document = {"services": {"a": service}}
    assert CHECKER.fits(as_tree(document)) is VALIDATOR.is_valid(document)


@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), VALUES, max_size=3))
def test_top_level(document: dict[str, object]) -> None:
    assert CHECKER.fits(as_tree(document)) is VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    "text",
    [
        "services: {a: {ports: [1, 1]}}", "services: {a: {ports: [1, 1.0]}}", "services: {a: {ports: [true, 1]}}",
        "services: {a: {scale: 1.0}}", "services: {a: {scale: 1.5}}", "services: {a: {cap_add: [A, A]}}", "services: {a b: {}}",
        "services: {a: {ulimits: {nofile: {soft: 1}}}}", "services: {a: {healthcheck: {retries: -1}}}", "{}", "x-a: [1]",
    ],
)  # fmt: skip
def test_corners(text: str) -> None:
    root = tree(text)
    assert CHECKER.fits(root) is VALIDATOR.is_valid(plain(root))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="needs ../shared/corpus")
def test_on_the_corpus() -> None:
    compared = 0
    for path in sorted(CORPUS.rglob("*.y*ml")):
        try:
            documents = yamltree.read_documents(path.read_bytes(), str(path))
        except errors.StackFileError:
            continue
        for root in documents:
            assert CHECKER.fits(root) is VALIDATOR.is_valid(plain(root)), path
            compared += 1
    assert compared > 300
