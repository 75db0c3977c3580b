"""The words of build flags: ``KEY=VALUE``, ``id=...,src=...``, ``name=soft:hard`` and their kin."""

from __future__ import annotations

import csv
import os

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from composer.cli.session import Session
    from composer.model.limits import Ulimit

_AGENT = "SSH_AUTH_SOCK"


def note_idle(session: Session, options: argparse.Namespace, reasons: Mapping[str, str]) -> None:
    """Say of given flags that they have no effect, and why."""
    for name, reason in reasons.items():
        if getattr(options, name):
            session.note(f"warning: --{name.replace('_', '-')} has no effect: {reason}")


def agents(words: Sequence[str]) -> dict[str, str]:
    """``default``, ``id=PATH``: sockets or keys by id."""
    found = {}
    for word in words:
        name, _, path = word.partition("=")
        found[name or "default"] = os.path.abspath(path) if path else os.environ.get(_AGENT, "")
    return found


def secrets(words: Sequence[str]) -> dict[str, bytes]:
    """``id=NAME,src=FILE`` or ``id=NAME,env=VARIABLE``: contents by id."""
    found = {}
    for word in words:
        fields = fields_of("--secret", word, ("id", "src", "source", "env", "type"))
        name = fields.get("id", "")
        if not name:
            message = f"--secret {word!r} has no id"
            raise errors.UsageError(message, hint="As in --secret id=token,src=token.txt.")
        path = fields.get("src") or fields.get("source")
        variable = fields.get("env")
        if variable is None and path is None and name in os.environ:
            variable = name
        if fields.get("type") == "env" and variable is None:
            variable, path = path or name, None
        found[name] = _secret(name, variable, path or name)
    return found


def _secret(name: str, variable: str | None, path: str) -> bytes:
    if variable is not None:
        if variable not in os.environ:
            message = f"--secret id={name}: the environment has no {variable}"
            raise errors.UsageError(message)
        return os.environb[os.fsencode(variable)]
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        message = f"--secret id={name}: cannot read {path}: {error.strerror}"
        raise errors.UsageError(message) from error


def fields_of(flag: str, text: str, known: Sequence[str]) -> dict[str, str]:
    """Comma-separated ``key=value`` words; raises ``UsageError`` for keys that are not ``known``."""
    try:
        (words,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        message = f"{flag} {text!r} cannot be read as comma-separated values"
        raise errors.UsageError(message) from error
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key.strip().lower() not in known:
            message = f"{flag} {text!r}: {word!r} is not understood"
            raise errors.UsageError(message, hint=f"Keys are {', '.join(known)}.")
        found[key.strip().lower()] = value
    return found


def pairs(flag: str, words: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` by key; a bare key has an empty value."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name:
            message = f"{flag} {word!r} names nothing"
            raise errors.UsageError(message, hint="Give KEY=VALUE.")
        found[name] = value
    return found


def hosts(words: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``NAME:ADDRESS`` or ``NAME=ADDRESS``."""
    found = []
    for word in words:
        split = "=" if "=" in word else ":"
        name, mark, address = word.partition(split)
        if not (name and mark and address):
            message = f"--add-host {word!r} is not NAME:ADDRESS"
            raise errors.UsageError(message)
        found.append((name, address.strip("[]")))
    return tuple(found)


def ulimits(words: Sequence[str]) -> dict[str, Ulimit]:
    """``NAME=SOFT[:HARD]``."""
    from composer.model.limits import Ulimit

    found = {}
    for word in words:
        name, _, values = word.partition("=")
        soft, _, hard = values.partition(":")
        try:
            found[name] = Ulimit(soft=int(soft), hard=int(hard or soft))
        except ValueError as error:
            message = f"--ulimit {word!r} is not NAME=SOFT[:HARD]"
            raise errors.UsageError(message) from error
    return found


def size(flag: str, text: str) -> int | None:
    """Bytes, as ``64m``; ``None`` for no text."""
    from composer.model.quantity import ByteSize

    if not text:
        return None
    try:
        return int(ByteSize.parse(text))
    except ValueError as error:
        message = f"{flag}: {error}"
        raise errors.UsageError(message) from error
