"""From a request's plain JSON to the plan that answers it: pure, so that a dry run can ask the same.

The supervisor carries the plan out; ``--dry-run`` prints it and changes nothing.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from composer import errors
from composer.model.container import ContainerMount
from composer.model.quantity import Duration
from composer.model.stack import MountKind, PublishedPort
from composer.planner import lifecycle, order, reconcile, teardown
from composer.planner.choice import Choice
from composer.planner.images import ImageOptions
from composer.planner.oneoff import OneOff
from composer.stackfile import mounts, ports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.model.container import Observed
    from composer.model.plan import Plan
    from composer.model.stack import Stack

Arguments = dict[str, object]

LIFECYCLE = ("start", "stop", "restart", "pause", "unpause", "rm")
"""The commands about containers that exist."""


def plan_of(command: str, arguments: Arguments, stack: Stack | None, observed: Observed) -> Plan:
    """The plan of ``up``, ``down`` or one of ``LIFECYCLE``; raises what the planner raises."""
    if command == "up":
        assert stack is not None
        return reconcile.plan_up(stack, observed, up_options(arguments))
    if command == "down":
        return teardown.plan_down(stack, observed, down_options(arguments))
    choice = choice_of(arguments)
    known = () if stack is None else (*stack.services, *stack.inactive)
    choice.check(observed, known)
    grace = duration(arguments.get("timeout"))
    if command == "start":
        return lifecycle.plan_start(stack, observed, choice, wait=bool(arguments.get("wait")))
    if command == "stop":
        return lifecycle.plan_stop(stack, observed, choice, grace)
    if command == "restart":
        with_dependents = not arguments.get("no_deps")
        return lifecycle.plan_restart(stack, observed, choice, grace, with_dependents=with_dependents)
    if command == "pause":
        return lifecycle.plan_pause(observed, choice)
    if command == "unpause":
        return lifecycle.plan_unpause(observed, choice)
    if command == "rm":
        options = lifecycle.RemoveOptions(
            stop=bool(arguments.get("stop")), volumes=bool(arguments.get("volumes")), timeout=grace
        )
        return lifecycle.plan_remove(stack, observed, choice, options)
    message = f"no plan answers {command}"
    raise errors.InternalError(message)


def up_options(arguments: Arguments) -> reconcile.UpOptions:
    """What ``up``, ``create`` and ``scale`` were asked for."""
    return reconcile.UpOptions(
        services=texts(arguments, "services"),
        images=image_options(arguments),
        force_recreate=bool(arguments.get("force_recreate")),
        always_recreate_deps=bool(arguments.get("always_recreate_deps")),
        no_recreate=bool(arguments.get("no_recreate")),
        no_deps=bool(arguments.get("no_deps")),
        scale=_scale(arguments.get("scale")),
        remove_orphans=bool(arguments.get("remove_orphans")),
        ignore_orphans=bool(arguments.get("ignore_orphans")),
        renew_volumes=bool(arguments.get("renew_volumes")),
        timeout=duration(arguments.get("timeout")),
        start=arguments.get("start") is not False,
        wait=bool(arguments.get("wait")),
    )


def image_options(arguments: Arguments) -> ImageOptions:
    """What is said of images: ``--build``, ``--no-build``, ``--pull``."""
    pull = arguments.get("pull")
    return ImageOptions(
        build=bool(arguments.get("build")),
        no_build=bool(arguments.get("no_build")),
        pull=str(pull) if pull else None,
    )


def down_options(arguments: Arguments) -> teardown.DownOptions:
    """What ``down`` was asked for."""
    images = arguments.get("rmi")
    return teardown.DownOptions(
        volumes=bool(arguments.get("volumes")),
        remove_orphans=bool(arguments.get("remove_orphans")),
        images=str(images) if images else None,
        timeout=duration(arguments.get("timeout")),
        services=texts(arguments, "services"),
    )


def at_once(arguments: Arguments) -> float:
    """``--parallel``: how many steps may be under way; no limit below 1."""
    number = seconds(arguments.get("parallel"))
    return int(number) if number and number >= 1 else math.inf


def attached(arguments: Arguments, stack: Stack) -> tuple[str, ...]:
    """The services whose output an attached ``up`` shows (``--attach``, ``--no-attach``, ``attach:``)."""
    named = texts(arguments, "attach")
    services = texts(arguments, "services")
    if arguments.get("attach_dependencies") and services:
        services = tuple(sorted(order.with_dependencies(stack.services, services)))
    shown = named or tuple(
        name for name in services or stack.services if name in stack.services and stack.services[name].attach
    )
    return tuple(name for name in shown if name not in texts(arguments, "no_attach"))


def one_off(arguments: Arguments, name: str) -> OneOff:
    """What ``run`` was asked for; raises ``UsageError`` for a port or mount that is none."""
    command, entrypoint = arguments.get("command"), arguments.get("entrypoint")
    source = arguments.get("source")
    directory = str(source.get("directory") or "/") if isinstance(source, dict) else "/"
    return OneOff(
        name=name,
        command=texts(arguments, "command") if isinstance(command, list) else None,
        entrypoint=texts(arguments, "entrypoint") if isinstance(entrypoint, list) else None,
        environment=_mapping(arguments.get("environment")),
        labels=_mapping(arguments.get("labels")),
        user=str(arguments["user"]) if arguments.get("user") else None,
        working_dir=str(arguments["working_dir"]) if arguments.get("working_dir") else None,
        tty=bool(arguments.get("tty")),
        stdin_open=bool(arguments.get("stdin")),
        ports=tuple(port for text in texts(arguments, "publish") for port in _ports(text)),
        service_ports=bool(arguments.get("service_ports")),
        mounts=tuple(_mount(text, directory) for text in texts(arguments, "volumes")),
        use_aliases=bool(arguments.get("use_aliases")),
        cap_add=texts(arguments, "cap_add"),
        cap_drop=texts(arguments, "cap_drop"),
        auto_remove=bool(arguments.get("remove")),
    )


def _mapping(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _ports(text: str) -> list[PublishedPort]:
    try:
        found = ports.parse(text)
    except ValueError as error:
        raise errors.UsageError(f"--publish {text}: {error}") from error
    # Of a range of published ports for one port of the container, the first.
    return [
        PublishedPort(
            target=port.target,
            published=int(port.published.partition("-")[0] or 0),
            host_ip=port.host_ip,
            protocol=port.protocol,
        )
        for port in found
    ]


def _mount(text: str, directory: str) -> ContainerMount:
    """A short form; paths start from the caller's directory."""
    try:
        short = mounts.parse(text)
    except ValueError as error:
        raise errors.UsageError(f"--volume {text}: {error}") from error
    if short.ignored:
        raise errors.UsageError(f"--volume {text}: unknown option {short.ignored[0]!r}")
    source = short.source
    if short.is_bind:
        source = os.path.normpath(os.path.join(directory, os.path.expanduser(source)))
    return ContainerMount(
        kind=MountKind.BIND if short.is_bind else MountKind.VOLUME,
        target=short.target,
        source=source,
        read_only=short.read_only,
        nocopy=short.nocopy,
        propagation=short.propagation,
    )


def choice_of(arguments: Arguments) -> Choice:
    """Which containers are meant."""
    return Choice(services=texts(arguments, "services"))


def texts(arguments: Mapping[str, object], name: str) -> tuple[str, ...]:
    """A list of strings; anything else is an empty one."""
    value = arguments.get(name)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def seconds(value: object) -> float | None:
    """A number; anything else is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def duration(value: object) -> Duration | None:
    """Seconds as a ``Duration``."""
    number = seconds(value)
    return None if number is None else Duration.of_seconds(number)


def _scale(value: object) -> dict[str, int]:
    return {str(name): int(count) for name, count in value.items()} if isinstance(value, dict) else {}
