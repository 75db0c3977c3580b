"""Which services are active."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from composer.model.stack import Stack

Load = Callable[..., Stack]
TEXT = """
services:
  always: {image: x}
  one: {image: x, profiles: [one]}
  both: {image: x, profiles: [one, two]}
  two: {image: x, profiles: [two]}
"""


@pytest.mark.parametrize(
    ("request_", "variable", "active"),
    [
        ({}, "", {"always"}),
        ({}, "one, two", {"always", "one", "both", "two"}),
        ({"profiles": ("one",)}, "two", {"always", "one", "both"}),
        ({"profiles": ("*",)}, "", {"always", "one", "both", "two"}),
        ({"services": ("two",)}, "", {"always", "both", "two"}),
    ],
)
def test_active(
    stack_of: Load, request_: dict[str, tuple[str, ...]], variable: str, active: set[str]
) -> None:
    stack = stack_of(TEXT, environment={"COMPOSE_PROFILES": variable}, **request_)
    assert set(stack.services) == active
    assert set(stack.services) | set(stack.inactive) == {"always", "one", "both", "two"}


def test_profiles_from_the_env_file(stack_of: Load) -> None:
    assert "two" in stack_of(TEXT, files={".env": "COMPOSE_PROFILES=two\n"}).services


@pytest.mark.parametrize("required", ["false", '"false"', '"FALSE"', "$NO"])
def test_a_dependency_that_may_be_absent(stack_of: Load, required: str) -> None:
    text = "services: {a: {image: x, depends_on: {b: {condition: service_started, required: %s}}}, b: {image: x, profiles: [p]}}"
    stack = stack_of(text % required, environment={"NO": "false"})
    assert stack.services["a"].depends_on["b"].required is False
