"""What a Dockerfile offers, without building it: its targets, and what one of them takes."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from composer.dockerfile import mountflag, stages
from composer.dockerfile.syntax import Arg, Dockerfile, Run


@attrs.frozen(kw_only=True)
class Target:
    """A stage that can be built by name or number."""

    name: str
    description: str = ""
    is_default: bool = False


@attrs.frozen(kw_only=True)
class Outline:
    """What building one target depends on: arguments with values, ids of secrets and agents with "true"."""

    target: str
    arguments: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    agents: tuple[tuple[str, str], ...] = ()


def targets_of(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> tuple[Target, ...]:
    """Every stage, the last one being the default; described by what it is built on."""
    plan = stages.plan(dockerfile, arguments, None)
    last = len(plan.stages) - 1
    return tuple(
        Target(
            name=stage.name or str(stage.index),
            description=f"from {stage.base}",
            is_default=stage.index == last,
        )
        for stage in plan.stages
    )


def outline_of(dockerfile: Dockerfile, arguments: Mapping[str, str], target: str | None) -> Outline:
    """What the stages of a target take from outside."""
    plan = stages.plan(dockerfile, arguments, target)
    values: dict[str, str] = {}
    secrets: dict[str, str] = {}
    agents: dict[str, str] = {}
    for index in plan.order:
        for instruction in plan.stages[index].instructions:
            if isinstance(instruction, Arg):
                for name, default in instruction.pairs:
                    values[name] = arguments.get(name, plan.arguments.get(name, default or ""))
            elif isinstance(instruction, Run):
                for text in instruction.mounts:
                    mount = mountflag.parse(text)
                    kinds = {mountflag.SECRET: secrets, mountflag.SSH: agents}
                    if mount.kind in kinds and mount.id:
                        kinds[mount.kind][mount.id] = "true" if mount.is_required else ""
    return Outline(
        target=plan.stages[plan.order[-1]].title,
        arguments=tuple(values.items()),
        secrets=tuple(secrets.items()),
        agents=tuple(agents.items()),
    )
