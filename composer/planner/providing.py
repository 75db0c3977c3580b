"""Services that a program of the host gives (``provider``): their order, their arguments, their answers.

The protocol is Docker Compose's (docs/extension.md there): ``TYPE compose --project-name P up --key=value
SERVICE`` writes one JSON object a line, ``{"type": "info" | "error" | "debug" | "setenv" | "rawsetenv",
"message": ...}``.  Services that depend on it get its variables, with its name before them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import attrs

from composer import errors
from composer.model.stack import Service, Stack
from composer.planner import order

Variables = Mapping[str, Mapping[str, str]]
"""What each provider set, as its dependents see it."""


@attrs.frozen(kw_only=True)
class Message:
    """One line of a provider."""

    kind: str
    text: str


def needed_by(stack: Stack, services: Iterable[str]) -> tuple[Service, ...]:
    """The provided services among some (all when none are named) and what they depend on, in order.

    Raises ``OperationFailed`` when one depends on a container: it is asked before there are any.
    """
    wanted = order.with_dependencies(stack.services, frozenset(services) or frozenset(stack.services))
    found = [stack.services[name] for name in order.dependencies_first(stack.services, wanted)]
    provided = [service for service in found if service.provider is not None]
    for service in provided:
        for name in service.depends_on:
            if name in stack.services and stack.services[name].provider is None:
                message = f"{service.name} is provided and cannot wait for the container of {name}"
                raise errors.OperationFailed(message, hint="Turn the dependency around, or leave it out.")
    return tuple(provided)


def arguments_of(service: Service, stack: str, verb: str) -> tuple[str, ...]:
    """What follows the program's name."""
    assert service.provider is not None
    options = [
        f"--{key}={value}" for key, values in sorted(service.provider.options.items()) for value in values
    ]
    return ("compose", "--project-name", stack, verb, *options, service.name)


def message_of(line: str) -> Message:
    """One line of output; raises ``ValueError`` for what is none."""
    found = json.loads(line)
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        message = "no object with a type"
        raise ValueError(message)  # noqa: TRY004 -- all that is wrong about a line is one kind of error
    return Message(kind=found["type"], text=str(found.get("message", "")))


def variable_of(service: str, message: Message) -> tuple[str, str]:
    """The variable that dependents get; raises ``ValueError`` when the message holds none."""
    name, equals, value = message.text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII):
        text = "setenv without NAME=VALUE"
        raise ValueError(text)
    prefix = "" if message.kind == "rawsetenv" else re.sub(r"\W", "_", service.upper(), flags=re.ASCII) + "_"
    return f"{prefix}{name}", value


def with_provided(stack: Stack, variables: Variables) -> Stack:
    """The stack of containers: provided services are there by now, and dependents have their variables."""
    provided = {name for name, service in stack.services.items() if service.provider is not None}
    if not provided:
        return stack
    services = {}
    for name, service in stack.services.items():
        if name in provided:
            continue
        given: dict[str, str] = {}
        for dependency in service.depends_on:
            given.update(variables.get(dependency, {}))
        services[name] = attrs.evolve(
            service,
            environment=dict(sorted({**service.environment, **given}.items())),
            depends_on={key: value for key, value in service.depends_on.items() if key not in provided},
        )
    return attrs.evolve(stack, services=services)
