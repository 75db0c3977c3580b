"""``--change`` of ``image import`` and ``container commit``: instructions applied to a configuration.

Pure.  The instructions are a Dockerfile's, those of them that change the configuration only.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

import attrs

from composer import errors
from composer.dockerfile import draft, parser
from composer.dockerfile.expand import expand
from composer.dockerfile.syntax import (
    Cmd,
    Entrypoint,
    Env,
    Expose,
    HealthcheckSetting,
    Instruction,
    Label,
    OnBuild,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from composer.model.image import ImageConfig

_ALLOWED = (
    Cmd, Entrypoint, Env, Expose, HealthcheckSetting, Label, OnBuild, Shell, StopSignal, User, Volume,
    Workdir,
)  # fmt: skip
_NAMES = "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR"


def changed(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """The configuration after the changes, in their order; raises ``UsageError`` naming the wrong one."""
    state = draft.Draft(config=config)
    for change in changes:
        for instruction in _instructions(change):
            try:
                state = _after(state, instruction)
            except ValueError as error:
                message = f"invalid change {change!r}: {error}"
                raise errors.UsageError(message) from error
    return state.config


def _instructions(change: str) -> list[Instruction]:
    try:
        parsed = parser.parse(f"FROM scratch\n{change}\n", "change")
    except errors.BuildError as error:
        message = f"invalid change {change!r}: {error.message.partition(': ')[2] or error.message}"
        raise errors.UsageError(message, hint=f"Changes are: {_NAMES}.") from error
    instructions: list[Instruction] = list(parsed.instructions[1:])
    for one in instructions:
        if not isinstance(one, _ALLOWED):
            message = f"invalid change {change!r}: {one.text.split()[0].upper()} is no change"
            raise errors.UsageError(message, hint=f"Changes are: {_NAMES}.")
    if not instructions:
        message = f"invalid change {change!r}: it is empty"
        raise errors.UsageError(message)
    return instructions


def _after(state: draft.Draft, instruction: Instruction) -> draft.Draft:
    if not isinstance(instruction, Workdir):
        return draft.after(state, instruction, draft.Settings())
    path = expand(instruction.path, state.variables)
    directory = posixpath.normpath(posixpath.join(state.working_dir, path))
    return attrs.evolve(state, config=attrs.evolve(state.config, working_dir=directory))
