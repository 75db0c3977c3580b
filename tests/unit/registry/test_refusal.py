"""What a refusal means to a user, status by status."""

from __future__ import annotations

import json

import pytest

from composer import errors
from composer.registry import refusal
from composer.registry.refusal import Circumstances, Temporary


def body(*entries: dict[str, object]) -> bytes:
    return json.dumps({"errors": list(entries)}).encode()


def refused(
    status: int, content: bytes = b"", retry_after: float | None = None, **asked: object
) -> errors.RegistryError:
    circumstances = Circumstances(**{"registry": "q.io", "what": "app:1", **asked})  # type: ignore[arg-type]
    return refusal.error_for(status, content, circumstances, retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "asked", "kind", "said", "hint"),
    [
        (401, {}, errors.RegistryDenied, "q.io wants a login for app:1", "composer login q.io"),
        (
            401,
            {"registry": "docker.io"},
            errors.RegistryDenied,
            "docker.io wants a login",
            "`composer login`;",
        ),
        (401, {"user": "ann"}, errors.RegistryDenied, "does not accept the credentials of ann", "again"),
        (403, {}, errors.RegistryDenied, "forbids who is not logged in", "another account"),
        (403, {"user": "ann", "is_push": True}, errors.RegistryDenied, "forbids ann", "repository of yours"),
        (404, {}, errors.RegistryNotFound, "q.io does not have app:1", "if it is private"),
        (404, {"user": "ann"}, errors.RegistryNotFound, "does not have", "Check the name and the tag."),
        (
            404,
            {"is_push": True, "what": "pushing to a"},
            errors.RegistryNotFound,
            "refuses pushing to a,",
            "Create",
        ),
        (400, {}, errors.RegistryError, "answers 400 for app:1", ""),
        (418, {}, errors.RegistryError, "answers 418", ""),
    ],
)
def test_final_refusals(
    status: int, asked: dict[str, object], kind: type[errors.RegistryError], said: str, hint: str
) -> None:
    error = refused(status, **asked)
    assert type(error) is kind
    assert said in error.message
    assert hint in error.hint
    assert error.exit_code == 18


@pytest.mark.parametrize(
    ("status", "kind"), [(429, errors.RegistryBusy), (500, errors.RegistryError), (503, errors.RegistryError)]
)
def test_temporary_refusals(status: int, kind: type[errors.RegistryError]) -> None:
    error = refused(status, retry_after=17.0)
    assert isinstance(error, Temporary)
    assert error.retry_after == 17.0
    assert type(error.final) is kind
    assert status != 429 or "Wait 17 s" in error.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            body({"code": "DENIED", "message": "requested access to the resource is denied"}),
            "requested access to the resource is denied",
        ),
        (body({"code": "DENIED"}, {"message": "two\nlines"}), "DENIED; two lines"),
        (body({"message": "x" * 1000}), "x" * 200),
        (b"<html>", ""),
        (b"[]", ""),
        (b'{"errors": 5}', ""),
        (b'{"errors": [5]}', ""),
        (b'{"errors": []}', ""),
        (b"[" * 50_000, ""),
        (b"", ""),
    ],
    ids=range(10),
)
def test_what_a_body_says(content: bytes, said: str) -> None:
    assert refusal.said_in(content) == said
    assert refused(404, content).message.endswith(f": {said}" if said else "app:1")
