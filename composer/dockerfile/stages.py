"""The stages of a Dockerfile and which of them a target needs, in the order to build them.

A stage that the target does not reach through ``FROM``, ``COPY --from`` or ``RUN --mount`` is never built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs

from composer import errors
from composer.dockerfile import mountflag
from composer.dockerfile.expand import expand
from composer.dockerfile.syntax import Arg, Copy, Dockerfile, From, Instruction, Run
from composer.model import platforms

SCRATCH = "scratch"


@attrs.frozen(kw_only=True)
class Stage:
    """One ``FROM`` and what follows it.

    ``base`` is the expanded reference; ``parent`` is set when it names an earlier stage.  ``needs``
    are the stages that it reads.  ``is_context`` says that ``base`` is a named context (which may
    stand in for the whole stage).
    """

    index: int
    name: str
    opening: From
    base: str
    parent: int | None = None
    instructions: tuple[Instruction, ...] = ()
    needs: tuple[int, ...] = ()
    is_context: bool = False

    @property
    def title(self) -> str:
        """The name for people."""
        return self.name or f"stage-{self.index}"


@attrs.frozen(kw_only=True)
class StagePlan:
    """Every stage, the indexes to build in order (the target is last), and the global arguments."""

    stages: tuple[Stage, ...]
    order: tuple[int, ...]
    arguments: Mapping[str, str]


def platform_arguments(target: str = "") -> dict[str, str]:
    """The automatic global arguments (Dockerfile reference, "Automatic platform ARGs")."""
    name = platforms.this_host().architecture
    arguments = {"TARGETSTAGE": target or "default"}
    for side in ("TARGET", "BUILD"):
        arguments |= {
            f"{side}PLATFORM": f"linux/{name}",
            f"{side}OS": "linux",
            f"{side}ARCH": name,
            f"{side}VARIANT": "",
        }
    return arguments


def plan(
    dockerfile: Dockerfile,
    arguments: Mapping[str, str],
    target: str | None,
    *,
    is_context: Callable[[str], bool] = lambda _: False,
) -> StagePlan:
    """Cut the file into stages and choose those that ``target`` (else the last) needs.

    ``is_context`` tells the names of contexts: one that is called like a stage replaces it.

    Raises ``BuildError``: a base without name, another platform, an unknown target, a circle.
    """
    known = platform_arguments(target or "")
    stages: list[Stage] = []
    for instruction in dockerfile.instructions:
        place = dockerfile.place(instruction)
        try:
            if isinstance(instruction, From):
                stages.append(_opened(instruction, stages, known, dockerfile.escape, is_context))
            elif stages:
                last = stages[-1]
                if last.is_context and last.base == last.name:
                    continue  # replaced by a context: what it says is not done
                stages[-1] = attrs.evolve(last, instructions=(*last.instructions, instruction))
            elif isinstance(instruction, Arg):
                known |= _global_arguments(instruction, arguments, known, dockerfile.escape)
        except ValueError as error:
            message = f"{place}: {error}"
            raise errors.BuildError(message) from error
    stages = [attrs.evolve(stage, needs=_needs(dockerfile, stage, stages)) for stage in stages]
    return StagePlan(
        stages=tuple(stages), order=_order(dockerfile, stages, _target(stages, target)), arguments=known
    )


def stage_named(origin: str, stages: Sequence[Stage]) -> int | None:
    """The stage that ``--from`` names (the last of that name) or numbers; ``None``: an image."""
    for stage in reversed(stages):
        if stage.name and stage.name == origin.lower():
            return stage.index
    if origin.isascii() and origin.isdigit():
        if int(origin) >= len(stages):
            message = f"invalid stage index {origin}: the file has {len(stages)} stages"
            raise ValueError(message)
        return int(origin)
    return None


def _global_arguments(
    instruction: Arg, arguments: Mapping[str, str], known: Mapping[str, str], escape: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, default in instruction.pairs:
        if name in arguments:
            found[name] = arguments[name]
        elif default is not None:
            found[name] = expand(default, {**known, **found}, escape=escape)
    return found


def _opened(
    opening: From,
    earlier: Sequence[Stage],
    known: Mapping[str, str],
    escape: str,
    is_context: Callable[[str], bool],
) -> Stage:
    if opening.name and is_context(opening.name):
        name = opening.name
        return Stage(index=len(earlier), name=name, opening=opening, base=name, is_context=True)
    base = expand(opening.base, known, escape=escape)
    platform = expand(opening.platform, known, escape=escape)
    if not base:
        message = f"base name ({opening.base}) should not be blank"
        raise ValueError(message)
    if platform and not platforms.runs_here(platform):
        message = f"FROM --platform={platform} is unsupported: this host builds {platforms.of_host()}"
        raise ValueError(message)
    parents = [stage.index for stage in earlier if stage.name and stage.name == base.lower()]
    return Stage(
        index=len(earlier),
        name=opening.name,
        opening=opening,
        base=base,
        parent=parents[-1] if parents else None,
        is_context=not parents and is_context(base),
    )


def _needs(dockerfile: Dockerfile, stage: Stage, stages: Sequence[Stage]) -> tuple[int, ...]:
    needs: list[int] = [] if stage.parent is None else [stage.parent]
    for instruction in stage.instructions:
        for origin in origins_in(instruction):
            try:
                index = stage_named(origin, stages)
            except ValueError as error:
                message = f"{dockerfile.place(instruction)}: {error}"
                raise errors.BuildError(message) from error
            if index is not None and index not in needs:
                needs.append(index)
    return tuple(needs)


def origins_in(instruction: Instruction) -> Iterator[str]:
    """What an instruction reads from by name: ``--from`` and the ``from`` of its mounts."""
    if isinstance(instruction, Copy) and instruction.origin:
        yield instruction.origin
    elif isinstance(instruction, Run):
        yield from filter(None, map(mountflag.origin_of, instruction.mounts))


def images_in(plan: StagePlan) -> tuple[str, ...]:
    """Every name outside the file that the needed stages read from: images and named contexts."""
    found: dict[str, None] = {}
    for index in plan.order:
        stage = plan.stages[index]
        if stage.parent is None and stage.base != SCRATCH:
            found[stage.base] = None
        for instruction in stage.instructions:
            for origin in origins_in(instruction):
                if stage_named(origin, plan.stages) is None:
                    found[origin] = None
    return tuple(found)


def _target(stages: Sequence[Stage], target: str | None) -> int:
    if not target:
        return len(stages) - 1
    try:
        index = stage_named(target, stages)
    except ValueError:
        index = None
    if index is None:
        names = ", ".join(stage.name for stage in stages if stage.name) or "none has a name"
        message = f"target stage {target!r} could not be found"
        raise errors.BuildError(message, hint=f"The stages of this Dockerfile: {names}.")
    return index


def _order(dockerfile: Dockerfile, stages: Sequence[Stage], target: int) -> tuple[int, ...]:
    """What ``target`` needs, each after its own needs; a circle is an error that names it."""
    done: list[int] = []
    path: list[int] = []
    pending: list[tuple[int, bool]] = [(target, False)]
    while pending:
        index, is_left = pending.pop()
        if is_left:
            path.pop()
            done.append(index)
        elif index in path:
            circle = " -> ".join(stages[one].title for one in (*path[path.index(index) :], index))
            message = f"{dockerfile.place(stages[index].opening)}: circular dependency of stages: {circle}"
            raise errors.BuildError(message)
        elif index not in done:
            path.append(index)
            pending.append((index, True))
            pending.extend((need, False) for need in reversed(stages[index].needs))
    return tuple(done)
