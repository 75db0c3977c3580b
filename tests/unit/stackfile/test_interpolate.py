"""Variables are text and stay text, are expanded once, and cannot multiply without bound."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.model.stack import Stack
from composer.stackfile import interpolate

Load = Callable[..., Stack]


@pytest.mark.parametrize(
    "value", ["0123", "1.50", "null", "~", "true", "1_000", "0x10", "1e3", "[a]", "$B", "${B}", "a: b"]
)
def test_a_value_reaches_the_container_as_it_is(stack_of: Load, value: str) -> None:
    """``PASSWORD=0123`` is no octal number, and a dollar in a value names no variable."""
    text = "services: {a: {image: x, environment: {P: $P, Q: '${P}', R: x}, command: [$P]}}"
    service = stack_of(text, environment={"P": value, "B": "never"}).services["a"]
    assert (service.environment["P"], service.environment["Q"]) == (value, value)
    assert service.command == (value,)


def test_numbers_and_booleans_are_read_from_variables_where_wanted(stack_of: Load) -> None:
    text = """
services:
  a:
    image: x
    scale: ${N}
    init: ${YES}
    read_only: "${NO}"
    cpus: $CPUS
    mem_limit: $MEMORY
    ports: ["$PORT:$PORT", {target: $PORT, published: $N}]
    healthcheck: {test: x, retries: $N, disable: $NO}
    secrets: [{source: s, mode: $MODE}]
secrets: {s: {environment: N}}
"""
    variables = {
        "N": "3",
        "YES": "true",
        "NO": "False",
        "CPUS": "1.5",
        "MEMORY": "1m",
        "PORT": "80",
        "MODE": "0440",
    }
    service = stack_of(text, environment=variables).services["a"]
    assert (service.replicas, service.init, service.read_only) == (3, True, False)
    assert (service.limits.cpus, service.limits.memory) == (1.5, 1 << 20)
    assert [(port.published, port.target) for port in service.ports] == [(80, 80), (3, 80)]
    assert service.healthcheck is not None
    assert (service.healthcheck.retries, service.healthcheck.disabled) == (3, False)
    assert service.secrets[0].mode == 0o440


@given(st.text(), st.text(alphabet="${}:-A", max_size=12))
def test_no_value_is_expanded_twice(value: str, default: str) -> None:
    """Whatever a variable holds, it comes out as it is; a default is a template of its own."""
    assert interpolate.interpolate("[${A}]", {"A": value}.get, lambda _name: None) == f"[{value}]"
    try:
        text = interpolate.interpolate("${A:-" + default + "}", {"A": ""}.get, lambda _name: None)
    except interpolate.InterpolationError:
        return
    assert "\0" not in text


def test_lines_that_double_each_other(stack_of: Load) -> None:
    doubling = "A0=aaaaaaaaaa\n" + "".join(f"A{n + 1}=$A{n}$A{n}\n" for n in range(60))
    with pytest.raises(errors.StackFileError, match="longer than") as caught:
        stack_of("services: {a: {image: x}}", files={".env": doubling})
    assert caught.value.problems[0].line > 1


def test_many_uses_of_one_long_value(stack_of: Load) -> None:
    uses = ", ".join(f"V{n}: $LONG" for n in range(3000))
    tracemalloc.start()
    try:
        with pytest.raises(errors.StackFileError, match="stand for more than"):
            stack_of(
                f"services: {{a: {{image: x, environment: {{{uses}}}}}}}", environment={"LONG": "x" * 100_000}
            )
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_the_name_of_the_stack_is_a_variable(stack_of: Load) -> None:
    text = "name: mine\nservices: {a: {image: $COMPOSE_PROJECT_NAME}}"
    assert stack_of(text).services["a"].image == "mine"
    given_name = stack_of(text, project_name="given", environment={"COMPOSE_PROJECT_NAME": "other"})
    assert given_name.services["a"].image == "given"
