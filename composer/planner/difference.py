"""Why a container is not what it should be: every reason, field by field, in words of the stack file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import attrs

from composer.model import names
from composer.model.container import ContainerFile, ContainerSpec
from composer.model.quantity import Duration
from composer.model.stack import PublishedPort, RestartPolicy

_BOOKKEEPING = frozenset(
    {
        names.LABEL_CONFIG_HASH,
        names.LABEL_WORKING_DIR,
        names.LABEL_CONFIG_FILES,
        names.LABEL_NUMBER,
        names.LABEL_ONE_OFF,
    }
)
"""Labels of ours: their change alone is no reason to recreate a container."""

_CONFIDENTIAL = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIAL", re.IGNORECASE)
"""Names of variables whose values are not printed."""

_IDENTITY = frozenset({"stack", "service", "number", "name", "one_off"})

_BY_HAND = frozenset({"joined", "left"})
"""What no stack file says: ``network connect`` and ``disconnect`` are nobody's wish to recreate."""

LIMITS = "limits"


@attrs.frozen(kw_only=True)
class Difference:
    """One changed field and the sentence that says so."""

    field: str
    sentence: str


def differences(old: ContainerSpec, new: ContainerSpec) -> tuple[Difference, ...]:
    """Every reason why ``old`` must become ``new``, in a fixed order; empty when none."""
    found: list[Difference] = []
    for attribute in attrs.fields(ContainerSpec):
        field = attribute.name
        if field in _IDENTITY | _BY_HAND:
            continue
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            sentences = _SENTENCES.get(field, _plain)(field, before, after)
            found.extend(Difference(field=field, sentence=sentence) for sentence in sentences)
    return tuple(found)


def cause_of(found: Iterable[Difference]) -> str:
    """The sentences in one line."""
    return "; ".join(difference.sentence for difference in found)


def _plain(field: str, before: object, after: object) -> Iterable[str]:
    yield f"{field} changed from {shown(before)} to {shown(after)}"


def _grace(_field: str, before: object, after: object) -> Iterable[str]:
    assert isinstance(before, int)
    assert isinstance(after, int)
    yield f"stop_grace_period changed from {Duration(before)} to {Duration(after)}"


def _record(field: str, before: object, after: object) -> Iterable[str]:
    """A small record: its own fields, or that it came or went as a whole."""
    word = _RECORD_WORDS.get(field, field)
    if before is None or after is None:
        yield f"{word} was {'added' if before is None else 'removed'}"
        return
    kind: type = type(before)
    for attribute in attrs.fields(kind):
        old, new = getattr(before, attribute.name), getattr(after, attribute.name)
        if old != new:
            yield f"{word} {attribute.name} changed from {shown(old)} to {shown(new)}"


def _image(_field: str, before: object, after: object) -> Iterable[str]:
    if after:
        yield f"image id changed from {str(before)[:19] or 'none'} to {str(after)[:19]}"


def _mapping(field: str, before: object, after: object) -> Iterable[str]:
    assert isinstance(before, Mapping)
    assert isinstance(after, Mapping)
    for key in sorted(before.keys() | after.keys()):
        if field == "labels" and key in _BOOKKEEPING:
            continue
        yield from _entry(field, key, before.get(key), after.get(key))


def _entry(field: str, key: str, before: object, after: object) -> Iterable[str]:
    word = {"labels": "label", "networks": "network"}.get(field, field)
    if before == after:
        return
    if before is None:
        yield f"{word} {key} was added"
    elif after is None:
        yield f"{word} {key} was removed"
    elif field == "environment" and _CONFIDENTIAL.search(key):
        yield f"{word} {key} changed"
    else:
        yield f"{word} {key} changed from {shown(before)} to {shown(after)}"


def _collection(field: str, before: object, after: object) -> Iterable[str]:
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    word = {"ports": "port", "mounts": "mount"}.get(field, field)
    gone = [item for item in before if item not in after]
    added = [item for item in after if item not in before]
    yield from (f"{word} {shown(item)} was removed" for item in gone)
    yield from (f"{word} {shown(item)} was added" for item in added)
    if not gone and not added:
        yield f"{field} changed order"


def _material(_field: str, before: object, after: object) -> Iterable[str]:
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    old = {file.target: file for file in before}
    new = {file.target: file for file in after}
    for target in sorted(old.keys() | new.keys()):
        yield from _file(target, old.get(target), new.get(target))


def _file(target: str, before: ContainerFile | None, after: ContainerFile | None) -> Iterable[str]:
    file = after or before
    word = "secret" if file is not None and file.is_secret else "config"
    if before == after:
        return
    if before is None:
        yield f"{word} {target} was added"
    elif after is None:
        yield f"{word} {target} was removed"
    elif before.digest != after.digest:
        yield f"{word} {target} changed content"
    else:
        yield f"{word} {target} changed owner or mode"


def shown(value: object) -> str:
    """A value as causes print it: short, unambiguous, one line."""
    if value is None:
        return "unset"
    if isinstance(value, str):
        return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in value) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    if isinstance(value, _PRINTABLE):
        return str(value)
    kind: type = type(value)
    if attrs.has(kind):
        fields = ((field, getattr(value, field.name)) for field in attrs.fields(kind))
        said = [f"{field.name}={shown(item)}" for field, item in fields if item != field.default]
        return " ".join(said) or "the default"
    return str(getattr(value, "value", value))


_PRINTABLE = (PublishedPort, RestartPolicy)
"""Values that print as they are written in a stack file."""

_RECORD_WORDS = {"limits": "limit of"}

_SENTENCES: dict[str, Callable[[str, object, object], Iterable[str]]] = {
    "image_id": _image,
    "environment": _mapping,
    "labels": _mapping,
    "networks": _mapping,
    "ports": _collection,
    "mounts": _collection,
    "cap_add": _collection,
    "cap_drop": _collection,
    "post_start": _collection,
    "pre_stop": _collection,
    "files": _material,
    "healthcheck": _record,
    LIMITS: _record,
    "logging": _record,
    "stop_grace_period": _grace,
}
