"""Reads what a build begins with: the Dockerfile, the ignore file, and the time it pretends to be."""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path

from composer import errors
from composer.dockerfile import contexts, ignore, parser, stages
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.lexer import LARGEST_FILE
from composer.dockerfile.remote import is_remote
from composer.dockerfile.syntax import Copy, Dockerfile
from composer.dockerfile.tree import Tree
from composer.model.protocols import BuildRequest

_INLINE = "dockerfile_inline"
EPOCH = "SOURCE_DATE_EPOCH"


def dockerfile_of(request: BuildRequest, context: Path) -> Dockerfile:
    """Read and parse; raises ``BuildError`` with every problem."""
    if request.dockerfile_inline is not None:
        return parser.parse(request.dockerfile_inline, _INLINE)
    return parser.parse(_text_of(_path_of(request, context)), request.dockerfile)


def dockerfile_of_local(request: BuildRequest) -> Dockerfile:
    """As ``dockerfile_of``, where the context is a directory of this host."""
    if isinstance(request.context, str) and is_remote(request.context):
        message = f"{request.context}: the Dockerfile of a remote context is read when it is built"
        raise errors.BuildError(message)
    return dockerfile_of(request, Path(request.context))


def reads_elsewhere(request: BuildRequest) -> bool:
    """Whether a build with a local context reads anything that is neither in it nor in the store."""
    dockerfile = dockerfile_of_local(request)
    return any(
        isinstance(one, Copy) and one.unpacks and any("$" in name or is_remote(name) for name in one.sources)
        for one in dockerfile.instructions
    )


def names_read(request: BuildRequest) -> tuple[str, ...]:
    """The names of images and contexts that a build reads from; nothing when that cannot be told yet."""
    try:
        dockerfile = dockerfile_of_local(request)
        return stages.images_in(stages.plan(dockerfile, request.args, request.target))
    except errors.ComposerError:
        return ()  # the build says what is wrong, and where


def rules_of(request: BuildRequest, context: Path) -> IgnoreRules:
    """``<Dockerfile>.dockerignore``, else the context's ``.dockerignore``, else no rules."""
    if request.dockerfile_inline is None:
        dockerfile = _path_of(request, context)
        beside = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
        if beside.is_file():
            try:
                return ignore.parse(_text_of(beside))
            except ValueError as error:
                message = f"{beside.name}: {error}"
                raise errors.BuildError(message) from error
    return contexts.rules_of(context)


def _path_of(request: BuildRequest, context: Path) -> Path:
    """The Dockerfile; in a context that came from elsewhere no link leads out of it."""
    path = context / request.dockerfile
    if isinstance(request.context, str) and is_remote(request.context):
        with Tree(context) as tree:
            return context / tree.resolve(request.dockerfile)
    return path


def epoch_of(request: BuildRequest) -> int | None:
    """``SOURCE_DATE_EPOCH`` in Unix seconds, from the build's arguments or what its caller says."""
    text = request.args.get(EPOCH)
    if not text:
        return request.epoch
    if not (text.isascii() and text.isdigit()):
        message = f"invalid {EPOCH}: {text!r} is not a number of seconds"
        raise errors.BuildError(message)
    return int(text)


def timestamp(epoch: int | None) -> str:
    """RFC 3339 of ``epoch``, else of now."""
    utc = dt.UTC
    moment = dt.datetime.now(utc) if epoch is None else dt.datetime.fromtimestamp(epoch, utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if epoch is not None else "%Y-%m-%dT%H:%M:%S.%fZ")


def _text_of(path: Path) -> str:
    """The text of a regular file of bounded size; a fifo or device is refused, not read."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(opened, "rb") as file:
            if not stat.S_ISREG(os.fstat(opened).st_mode):
                message = f"{path} is not a regular file"
                raise errors.BuildError(message)
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        message = f"failed to read {path}: {error.strerror}"
        hint = "Check build.context and build.dockerfile: the second is relative to the first."
        raise errors.BuildError(message, hint=hint) from error
    if len(content) > LARGEST_FILE:
        message = f"{path} is larger than {LARGEST_FILE} bytes"
        raise errors.BuildError(message)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: is not UTF-8"
        raise errors.BuildError(message) from error
