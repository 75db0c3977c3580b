"""What a registry's refusal means to a user: one sentence, and what to do about it.

Bodies hold ``{"errors": [{"code", "message", "detail"}]}`` (distribution-spec v1.1, "Error Codes").
"""

from __future__ import annotations

import json

import attrs

from composer import errors
from composer.registry import retry

LARGEST_BODY = 64 * 1024


class Temporary(errors.RegistryError):
    """A refusal that may be none next time; ``final`` is what the user is told when it stays one."""

    def __init__(self, final: errors.RegistryError, retry_after: float | None) -> None:
        super().__init__(final.message, hint=final.hint)
        self.final = final
        self.retry_after = retry_after


@attrs.frozen(kw_only=True)
class Circumstances:
    """What was asked of whom: ``what`` as in "the manifest of web:1"; ``user`` "" is nobody."""

    registry: str
    what: str
    user: str = ""
    is_push: bool = False


def error_for(
    status: int, body: bytes, asked: Circumstances, *, retry_after: float | None = None
) -> errors.RegistryError:
    """The error for a status of 400 and above."""
    final = _error_for(status, said_in(body), asked, retry_after)
    return Temporary(final, retry_after) if status in retry.WORTH_IT else final


def said_in(body: bytes) -> str:
    """What the body says, in one line of at most 200 characters; "" when it says nothing readable."""
    try:
        entries = json.loads(body)["errors"]
        texts = [str(entry.get("message") or entry.get("code") or "") for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return "; ".join(" ".join(text.split()) for text in texts if text)[:200]


def _error_for(
    status: int, said: str, asked: Circumstances, retry_after: float | None
) -> errors.RegistryError:
    because = f": {said}" if said else ""
    registry, what = asked.registry, asked.what
    login = f"`composer login{'' if registry == 'docker.io' else f' {registry}'}`"
    if status == 401:
        if asked.user:
            message = f"{registry} does not accept the credentials of {asked.user} for {what}{because}"
            return errors.RegistryDenied(message, hint=f"Log in again with {login}.")
        message = f"{registry} wants a login for {what}{because}"
        hint = f"Log in with {login}; a name that does not exist is answered like this, too."
        return errors.RegistryDenied(message, hint=hint)
    if status == 403:
        who = asked.user or "who is not logged in"
        message = f"{registry} forbids {who} {what}{because}"
        hint = "Push to a repository of yours." if asked.is_push else f"Use another account with {login}."
        return errors.RegistryDenied(message, hint=hint)
    if status == 404 and asked.is_push:
        message = f"{registry} refuses {what}, a repository it does not know{because}"
        return errors.RegistryNotFound(message, hint="Create the repository there first.")
    if status == 404:
        hint = "Check the name and the tag" + ("." if asked.user else f"; if it is private, use {login}.")
        return errors.RegistryNotFound(f"{registry} does not have {what}{because}", hint=hint)
    if status == 429:
        wait = f"Wait {retry_after:.0f} s" if retry_after else "Wait a while"
        hint = f"{wait}, log in with {login} for a higher limit, or set up a mirror in registries.conf."
        return errors.RegistryBusy(f"{registry} allows no more requests for now{because}", hint=hint)
    message = f"{registry} answers {status} for {what}{because}"
    hint = "Something is wrong at the registry; try again later." if status >= 500 else ""
    return errors.RegistryError(message, hint=hint)
