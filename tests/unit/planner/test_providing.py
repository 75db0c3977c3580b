"""Provided services: order, arguments, answers, and the stack that remains."""

from __future__ import annotations

import pytest

from composer import errors
from composer.model.stack import Dependency, Provider, Service, Stack
from composer.planner import providing
from composer.planner.providing import Message


def _stack(**services: Service) -> Stack:
    return Stack(name="s", directory="/d", files=(), services=services)


def _provided(name: str, *needs: str, **options: tuple[str, ...]) -> Service:
    return Service(
        name=name,
        provider=Provider(type="cloud", options=options),
        depends_on={need: Dependency() for need in needs},
    )


def _container(name: str, *needs: str, **environment: str) -> Service:
    return Service(
        name=name, image="i", depends_on={need: Dependency() for need in needs}, environment=environment
    )


STACK = _stack(
    db=_provided("db", "base"),
    base=_provided("base"),
    unused=_provided("unused"),
    web=_container("web", "db", "cache", OWN="1", DB_URL="mine"),
    cache=_container("cache"),
)


def test_those_that_are_needed_in_the_order_of_need() -> None:
    assert [service.name for service in providing.needed_by(STACK, ["web"])] == ["base", "db"]
    assert [service.name for service in providing.needed_by(STACK, [])] == ["base", "db", "unused"]
    assert providing.needed_by(STACK, ["cache"]) == ()


def test_none_waits_for_a_container() -> None:
    stack = _stack(db=_provided("db", "vault"), vault=_container("vault"))
    with pytest.raises(errors.OperationFailed, match="cannot wait for the container of vault"):
        providing.needed_by(stack, [])


def test_arguments() -> None:
    service = _provided("db", size=("big",), tag=("a", "b"))
    assert providing.arguments_of(service, "s", "up") == (
        "compose", "--project-name", "s", "up", "--size=big", "--tag=a", "--tag=b", "db",
    )  # fmt: skip


def test_lines() -> None:
    assert providing.message_of('{"type": "info", "message": "hi"}') == Message(kind="info", text="hi")
    for line in ("hi", "[]", '{"message": "x"}', '{"type": 1}'):
        with pytest.raises(ValueError, match=r"."):
            providing.message_of(line)


@pytest.mark.parametrize(
    ("service", "kind", "text", "expected"),
    [
        ("db", "setenv", "URL=a=b", ("DB_URL", "a=b")),
        ("my-db", "setenv", "URL=", ("MY_DB_URL", "")),
        ("db", "rawsetenv", "URL=x", ("URL", "x")),
    ],
)
def test_variables(service: str, kind: str, text: str, expected: tuple[str, str]) -> None:
    assert providing.variable_of(service, Message(kind=kind, text=text)) == expected


@pytest.mark.parametrize("text", ["URL", "=x", "A B=x", "1=x"])
def test_what_is_no_variable(text: str) -> None:
    with pytest.raises(ValueError, match="setenv"):
        providing.variable_of("db", Message(kind="setenv", text=text))


def test_what_remains_are_containers_with_the_variables_of_what_they_depend_on() -> None:
    found = providing.with_provided(STACK, {"db": {"DB_URL": "given"}, "unused": {"U": "x"}})
    assert list(found.services) == ["web", "cache"]
    assert found.services["web"].environment == {"DB_URL": "given", "OWN": "1"}
    assert list(found.services["web"].depends_on) == ["cache"]


def test_a_stack_without_any_is_left_alone() -> None:
    stack = _stack(cache=_container("cache"))
    assert providing.with_provided(stack, {}) is stack
