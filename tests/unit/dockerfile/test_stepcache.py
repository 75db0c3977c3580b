from __future__ import annotations

import json

import pytest

from composer.dockerfile import stepcache

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_there_and_back_with_what_the_image_has() -> None:
    text = stepcache.text_of({A: ("l1",), B: ("l2",), C: ()}, ["l1", "l3"])
    assert stepcache.steps_in(text, ["l1", "l3"]) == {A: ("l1",), C: ()}


@pytest.mark.parametrize(
    "document",
    [
        "{", "[]", {"v": 2, "steps": {A: [0]}}, {"v": 1, "steps": {A: [1]}}, {"v": 1, "steps": {A: [-1]}},
        {"v": 1, "steps": {A: "0"}}, {"v": 1, "steps": {"../x": [0]}}, {"v": 1, "steps": [0]}, {"v": 1},
    ],
)  # fmt: skip
def test_what_is_malformed_is_no_step(document: object) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    assert stepcache.steps_in(text, ["l1"]) == {}
