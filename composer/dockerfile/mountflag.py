"""``RUN --mount=...``: one comma-separated flag to a typed mount, checked as BuildKit checks it.

Variables in the values are expanded when the step runs, so a flag is read twice: once by the parser,
which finds slips of the pen before anything runs, and once with the variables of its place.  ``from``
is part of the graph of stages and takes no variables.

Source: Dockerfile reference, "RUN --mount"; BuildKit ``commands_runmount.go`` where it is silent.
"""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Callable

import attrs

from composer.model.quantity import ByteSize

BIND, CACHE, TMPFS, SECRET, SSH = KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARED, PRIVATE, LOCKED = SHARINGS = ("shared", "private", "locked")

SECRETS = "/run/secrets"
"""Where a secret without a target is put."""

_KEYS = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_WORDS = frozenset({"readonly", "readwrite", "required"})
"""Keys that may stand without a value."""
_OCTAL = 8
_WITH_MODE = frozenset({CACHE, SECRET, SSH})
_TRUE, _FALSE = frozenset({"1", "t", "true"}), frozenset({"0", "f", "false"})


@attrs.frozen(kw_only=True)
class RunMount:
    """One mount of a RUN.

    ``origin`` is ``from`` ("" is the build context), ``id`` that of a cache, secret or agent.  A secret
    with ``environment`` and no ``target`` is a variable only.  ``size`` is in bytes.
    """

    kind: str = BIND
    target: str = ""
    source: str = ""
    origin: str = ""
    id: str = ""
    sharing: str = SHARED
    read_only: bool = True
    is_required: bool = False
    size: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    environment: str = ""


def origin_of(text: str) -> str:
    """What ``from`` of a flag says, "" when there is none."""
    return next((value for key, value in _fields(text) if key == "from" and value), "")


def parse(text: str, expand: Callable[[str], str] | None = None) -> RunMount:
    """Read the value of one flag; raises ``ValueError``.

    Without ``expand``, values that hold variables are not judged.
    """
    values: dict[str, str | None] = {}
    for key, value in _fields(text):
        if value is None and key not in _WORDS:
            message = f"invalid field {key!r} in --mount: it must be a key=value pair"
            raise ValueError(message)
        if value is not None and "$" in value:
            if key == "from":
                message = (
                    f"'{value}': variables are not supported in from of --mount: define a stage with "
                    "FROM, using an ARG from global scope"
                )
                raise ValueError(message)
            if expand is None:
                continue
            value = expand(value)  # noqa: PLW2901 -- what follows sees it expanded
        values[key] = value
    return _checked(_mount(values), values, text, is_complete=expand is not None or "$" not in text)


def _fields(text: str) -> list[tuple[str, str | None]]:
    """Keys by their long names, in order."""
    try:
        (words,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        message = f"--mount={text}: cannot be read as comma-separated values: {error}"
        raise ValueError(message) from error
    fields = []
    for word in words:
        key, equals, value = word.partition("=")
        key = key.strip().lower()
        fields.append((_KEYS.get(key, key), value if equals else None))
    return fields


def _mount(values: dict[str, str | None]) -> RunMount:
    kind = (values.get("type", BIND) or "").lower()
    if kind not in KINDS:
        message = f"unsupported mount type {kind!r}: there are {', '.join(KINDS)}"
        raise ValueError(message)
    mount = RunMount(kind=kind, read_only=kind not in {CACHE, TMPFS})
    for key, value in values.items():
        mount = _with(mount, key, value)
    return mount


def _with(mount: RunMount, key: str, value: str | None) -> RunMount:
    text = value or ""
    match key:
        case "type":
            return mount
        case "from":
            return attrs.evolve(mount, origin=text)
        case "source":
            return attrs.evolve(mount, source=text)
        case "target":
            return attrs.evolve(mount, target=text)
        case "readonly":
            return attrs.evolve(mount, read_only=_boolean(key, value))
        case "readwrite":
            return attrs.evolve(mount, read_only=not _boolean(key, value))
        case "required" if mount.kind in {SECRET, SSH}:
            return attrs.evolve(mount, is_required=_boolean(key, value))
        case "size" if mount.kind == TMPFS:
            return attrs.evolve(mount, size=int(ByteSize.parse(text)))
        case "id":
            return attrs.evolve(mount, id=text)
        case "sharing" if mount.kind == CACHE:
            if text not in SHARINGS:
                message = f"unsupported sharing value {text!r}: there are {', '.join(SHARINGS)}"
                raise ValueError(message)
            return attrs.evolve(mount, sharing=text)
        case "mode" if mount.kind in _WITH_MODE:
            return attrs.evolve(mount, mode=_number(key, text, _OCTAL))
        case "uid" if mount.kind in _WITH_MODE:
            return attrs.evolve(mount, uid=_number(key, text, 10))
        case "gid" if mount.kind in _WITH_MODE:
            return attrs.evolve(mount, gid=_number(key, text, 10))
        case "env" if mount.kind == SECRET:
            return attrs.evolve(mount, environment=text)
        case _:
            message = f"unexpected key {key!r} for mount type {mount.kind!r}"
            raise ValueError(message)


def _checked(mount: RunMount, values: dict[str, str | None], text: str, *, is_complete: bool) -> RunMount:
    """The mount with what follows from its kind, or a ``ValueError`` that says what is missing."""
    if mount.kind == SECRET:
        return _secret(mount, text) if is_complete else mount
    if mount.kind == SSH:
        if mount.source or mount.origin:
            message = f"--mount={text}: ssh mounts have no source and no from"
            raise ValueError(message)
        return attrs.evolve(mount, id=mount.id or "default")
    if mount.kind == TMPFS and (mount.origin or mount.source):
        message = f"--mount={text}: tmpfs mounts have no source and no from"
        raise ValueError(message)
    if is_complete and ("target" not in values or posixpath.normpath(f"/{mount.target}") in {"/", "//"}):
        message = f"invalid mount target {mount.target!r} in --mount={text}"
        raise ValueError(message)
    if mount.kind == CACHE and not mount.id:
        return attrs.evolve(mount, id=posixpath.normpath(mount.target))
    return mount


def _secret(mount: RunMount, text: str) -> RunMount:
    if mount.origin:
        message = f"--mount={text}: secret mounts have no from"
        raise ValueError(message)
    if mount.source and mount.id:
        message = f"--mount={text}: a secret has an id or a source, not both"
        raise ValueError(message)
    identity = mount.source or mount.id or posixpath.basename(mount.target.rstrip("/"))
    if not identity:
        message = f"invalid --mount={text}: a secret needs an id or a target"
        raise ValueError(message)
    target = mount.target
    if not target and not mount.environment:
        target = posixpath.join(SECRETS, posixpath.basename(identity))
    return attrs.evolve(mount, id=identity, source="", target=target)


def _boolean(key: str, value: str | None) -> bool:
    if value is None or value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    message = f"invalid value for {key} in --mount: {value!r} is not a boolean"
    raise ValueError(message)


def _number(key: str, text: str, base: int) -> int:
    if not (text.isascii() and text.isalnum()):
        message = f"invalid value for {key} in --mount: {text!r}"
        raise ValueError(message)
    try:
        return int(text, base)
    except ValueError as error:
        message = f"invalid value for {key} in --mount: {text!r}"
        raise ValueError(message) from error
