"""Checks a tree against ``schemas/stack.schema.json`` and says what is wrong where.

``jsonschema`` finds the violations; what it reports for a choice of forms is turned into one sentence
about the form that the author most likely meant.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from composer.model.data import read_schema
from composer.stackfile import quickcheck
from composer.stackfile.scalars import scalar_text, shown
from composer.stackfile.tree import Node, Path, at, plain, problem, problem_of_key

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from composer import errors

MOST_PROBLEMS = 200
"""More help nobody, and a suggestion for each unknown key takes a millisecond."""

_FOUND = {dict: "a mapping", list: "a list", bool: "a boolean", int: "a number", float: "a number"}
_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def problems_in(root: Node) -> list[errors.Problem]:
    """The violations in the order of the file; of very many only the first that are found."""
    if _checker().fits(root):
        return []
    found = itertools.chain.from_iterable(
        _problems_of(root, violation) for violation in _validator().iter_errors(plain(root))
    )
    return sorted(set(itertools.islice(found, MOST_PROBLEMS)))


@functools.cache
def _schema() -> Any:
    return json.loads(read_schema("stack.schema.json"))


@functools.cache
def _checker() -> quickcheck.Checker:
    return quickcheck.Checker(_schema())


@functools.cache
def _validator() -> Draft202012Validator:
    import jsonschema

    return jsonschema.Draft202012Validator(_schema())


def _problems_of(root: Node, violation: ValidationError) -> Iterable[errors.Problem]:
    path: Path = tuple(violation.absolute_path)
    if violation.validator == "anyOf" and violation.context:
        meant = _meant(violation)
        for inner in meant:
            yield from _problems_of(root, inner)
        if meant:
            return
    if violation.validator == "additionalProperties":
        yield from _unknown_keys(root, path, violation)
        return
    node = at(root, path)
    if violation.validator == "required":
        missing = str(violation.message).split("'")[1]
        yield problem(node, path, f"{missing} is missing", hint=_required_hint(path, missing))
        return
    yield problem(node, path, _sentence(violation), hint=_hint(path, violation))


def _meant(violation: ValidationError) -> list[ValidationError]:
    """The errors of the one form whose type fits the value: it is the one that was meant."""
    forms: dict[Any, list[ValidationError]] = {}
    for inner in violation.context or ():
        forms.setdefault(inner.relative_schema_path[0], []).append(inner)
    fitting = [
        found
        for found in forms.values()
        if not any(inner.validator == "type" and not inner.relative_path for inner in found)
    ]
    if len(fitting) == 1 and isinstance(violation.instance, dict | list):
        return fitting[0]
    return []


def _sentence(violation: ValidationError) -> str:
    value, schema = violation.instance, violation.schema
    title = schema.get("title") if isinstance(schema, dict) else None
    if violation.validator == "enum":
        words: Any = violation.validator_value
        return f"{shown(value)} is not one of {', '.join(map(str, words))}"
    if violation.validator == "pattern":
        return f"{shown(value)} is not {title or 'of the right form'}"
    if violation.validator == "uniqueItems":
        return f"{shown(_double(value))} is listed twice"
    if violation.validator in ("minimum", "maximum"):
        word = "less" if violation.validator == "minimum" else "more"
        return f"{shown(value)} is {word} than {violation.validator_value}"
    return f"expected {title or _type_words(violation.validator_value)}, found {_found(value)}"


def _type_words(wanted: Any) -> str:
    names = wanted if isinstance(wanted, list) else [wanted]
    return " or ".join(_TYPE_WORDS.get(str(name), "something else") for name in names)


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return _FOUND[type(value)]
    kind = _FOUND.get(type(value), "a string")
    return f"{kind} ({shown(value) if isinstance(value, str) else scalar_text(value)})"


def _double(items: Any) -> object:
    seen: list[object] = []
    for item in items:
        if item in seen:
            return item if not isinstance(item, dict | list) else "an entry"
        seen.append(item)
    return "an entry"


# ------------------------------------------------------------------ hints


def _hint(path: Path, violation: ValidationError) -> str:
    """How to write it, for the mistakes that people make."""
    key, value = (path[-1] if path else ""), violation.instance
    if not path:
        return "A stack file is a mapping with services."
    if value is None:
        return f"Take the key away, or give it a value: {_empty_form(violation)}." if key else ""
    if path == ("services",):
        return "Write each service as NAME: {image: ...}."
    if key in _FORMS and len(path) == 3 and path[0] == "services":
        return _FORMS[str(key)]
    if key in _TIMES and isinstance(value, int | float) and not isinstance(value, bool):
        return f"Write it with its unit: {scalar_text(value)}s."
    is_text_wanted = violation.validator == "type" and "string" in str(violation.validator_value)
    if is_text_wanted and isinstance(value, bool | int | float):
        return f'Put it in quotes: "{scalar_text(value)}".'
    if key == "condition" and isinstance(value, str):
        words: Any = violation.validator_value
        close = difflib.get_close_matches(value, words, n=1, cutoff=0.3)
        return f"Did you mean {close[0]!r}?" if close else ""
    if violation.validator == "enum" and isinstance(value, str):
        words = violation.validator_value
        close = difflib.get_close_matches(value, [str(word) for word in words], n=1)
        return f"Did you mean {close[0]!r}?" if close else ""
    return ""


def _empty_form(violation: ValidationError) -> str:
    schema = violation.schema
    text = json.dumps(schema.get("anyOf", schema)) if isinstance(schema, dict) else ""
    return "{} if it is to be empty" if '"object"' in text else "[] if it is to be empty"


_NEWER = {
    "pre_start": "It came with Docker Compose 5.3; files are read as 2.40 reads them. A one-shot service "
    "that others wait for (condition: service_completed_successfully) does the same.",
}
"""Attributes of the specification that Docker Compose 2.40 refuses."""

_TIMES = frozenset({"interval", "timeout", "start_period", "start_interval", "stop_grace_period", "delay"})

_FORMS = {
    "ports": 'Write it as a list: - "8080:80".',
    "volumes": "Write it as a list: - ./data:/data.",
    "expose": 'Write it as a list: - "80".',
    "environment": "Write it as KEY: value, or as a list of KEY=value.",
    "labels": "Write it as KEY: value, or as a list of KEY=value.",
    "depends_on": "Write it as a list of services: - db.",
    "networks": "Write it as a list of networks: - backend.",
    "secrets": "Write it as a list: - my_secret.",
    "configs": "Write it as a list: - my_config.",
    "profiles": "Write it as a list: [debug].",
    "cap_add": "Write it as a list: [NET_ADMIN].",
    "cap_drop": "Write it as a list: [ALL].",
    "security_opt": "Write it as a list.",
    "devices": "Write it as a list: - /dev/fuse.",
    "healthcheck": "Write it as a mapping: {test: ...}.",
    "deploy": "Write it as a mapping: {replicas: 2}.",
    "logging": "Write it as a mapping: {driver: json-file}.",
    "ulimits": "Write it as a mapping: {nofile: 1024}.",
    "sysctls": "Write it as KEY: value.",
    "extra_hosts": "Write it as NAME: ADDRESS.",
    "build": "Write it as a directory, or as a mapping: {context: .}.",
}


def _required_hint(path: Path, missing: str) -> str:
    if missing == "condition":
        return "Write {condition: service_started}, or depends_on as a list."
    if missing == "type" and "volumes" in path:
        return "A mount in long form says type: bind, volume or tmpfs."
    return ""


def _unknown_keys(root: Node, path: Path, violation: ValidationError) -> Iterable[errors.Problem]:
    schema = violation.schema
    assert isinstance(schema, dict)
    known = set(schema.get("properties", ()))
    patterns = tuple(schema.get("patternProperties", ()))
    node = at(root, path)
    for key, child in node.entries():
        if key in known or (key.startswith("x-") and "^x-" in patterns):
            continue
        if not known:
            if not all(c.isascii() and (c.isalnum() or c in "._-") for c in key) or not key:
                yield problem_of_key(
                    child,
                    (*path, key),
                    f"{shown(key)} is not a valid name",
                    hint="Use letters, digits, . _ -",
                )
            continue
        message = f"additional property {key!r} is not allowed"
        yield problem_of_key(child, (*path, key), message, hint=_key_hint(key, path, known, child))


def _key_hint(key: str, path: Path, known: set[str], child: Node) -> str:
    """Where an unknown key belongs, or what it was meant to be."""
    service, top = _properties("service"), set(_schema()["properties"])
    close = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.7)
    if key in _NEWER and path[:1] == ("services",) and len(path) == 2:
        return _NEWER[key]
    if not path and isinstance(child.value, dict) and child.value.keys() & {"image", "build"}:
        return "It looks like a service: put it under services."
    if not path and key in service:
        return f"{key} belongs to a service: services.NAME.{key}."
    if path[:1] == ("services",) and len(path) == 2 and key in top and key not in service:
        return f"{key} belongs to the top level of the file."
    if path[:1] == ("services",) and len(path) == 2 and key in _properties("build"):
        return f"{key} belongs to build: build.{key}."
    if path[:1] == ("services",) and len(path) > 2 and key in service and not close:
        return f"{key} belongs to the service: is it indented too far?"
    if close:
        return f"Did you mean {close[0]!r}?"
    return "Only keys that begin with x- are free."


@functools.cache
def _properties(definition: str) -> set[str]:
    return set(_schema()["$defs"][definition]["properties"])
