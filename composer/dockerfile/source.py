"""Reads what a build begins with: the Dockerfile, the ignore file, and the time it pretends to be."""

from __future__ import annotations

import datetime as dt
import os
import stat
from pathlib import Path

from composer import errors
from composer.dockerfile import ignore, parser
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.lexer import LARGEST_FILE
from composer.dockerfile.syntax import Dockerfile
from composer.dockerfile.tree import Tree
from composer.model.protocols import BuildRequest

_INLINE = "dockerfile_inline"
_EPOCH = "SOURCE_DATE_EPOCH"


def dockerfile_of(request: BuildRequest) -> Dockerfile:
    """Read and parse; raises ``BuildError`` with every problem."""
    if request.dockerfile_inline is not None:
        return parser.parse(request.dockerfile_inline, _INLINE)
    path = request.context / request.dockerfile
    return parser.parse(_text_of(path), request.dockerfile)


def rules_of(request: BuildRequest, context: Tree) -> IgnoreRules:
    """``<Dockerfile>.dockerignore``, else the context's ``.dockerignore``, else no rules."""
    name = ".dockerignore"
    text = None
    try:
        if request.dockerfile_inline is None:
            beside = request.context / f"{request.dockerfile}.dockerignore"
            if beside.is_file():
                name, text = beside.name, _text_of(beside)
        if text is None:
            content = context.read(".dockerignore", limit=LARGEST_FILE)
            text = "" if content is None else content.decode("utf-8", "surrogateescape")
        return ignore.parse(text)
    except (ValueError, OSError) as error:
        message = f"{name}: {error}"
        raise errors.BuildError(message) from error


def epoch_of(request: BuildRequest) -> int | None:
    """``SOURCE_DATE_EPOCH`` in Unix seconds, from the build's arguments or the environment."""
    text = request.args.get(_EPOCH) or os.environ.get(_EPOCH)
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        message = f"invalid {_EPOCH}: {text!r} is not a number of seconds"
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
