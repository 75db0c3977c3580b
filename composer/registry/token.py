"""Bearer tokens: what a registry's authorization server gives for a scope.

The flow is Docker's (distribution.github.io, "Token Authentication Specification"): the registry
answers 401 and names ``realm`` and ``service``; a GET there, with HTTP Basic where we have a password,
gives a token.  With an identity token it is a POST of ``grant_type=refresh_token`` (OAuth2).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import attrs

from composer import errors
from composer.registry import refusal
from composer.registry.refusal import Circumstances
from composer.registry.transport import Origin

if TYPE_CHECKING:
    from composer.registry.challenge import Challenge
    from composer.registry.credentials import Credentials
    from composer.registry.transport import Response, Transport

CLIENT = "composer"
_LARGEST = 1024 * 1024
_SHORTEST_LIFE = 60.0
"""Seconds that a token lives whose answer does not say (the specification's default)."""
_EARLY = 5.0


@attrs.frozen(kw_only=True)
class Token:
    """A token and the monotonic moment after which it is not used any more."""

    value: str = attrs.field(repr=False)
    expires: float
    identity: str = attrs.field(default="", repr=False)

    @property
    def is_fresh(self) -> bool:
        """Whether it is worth trying."""
        return time.monotonic() < self.expires


def fetch(
    transport: Transport,
    challenge: Challenge,
    scopes: Sequence[str],
    credentials: Credentials | None,
    asked: Circumstances,
    *,
    is_insecure: bool,
    wants_identity: bool = False,
) -> Token:
    """Get a token; raises ``RegistryDenied`` and the other kinds of ``RegistryError``."""
    realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
    origin = Origin.of(realm)
    if origin.scheme != "https" and not is_insecure:
        message = f"{asked.registry} wants credentials sent to {realm[:200]} in clear"
        raise errors.RegistryError(message)
    fields = [("service", service)] if service else []
    headers = {"Accept": "application/json"}
    if credentials is not None and credentials.identity:
        fields += [("scope", " ".join(scopes))] if scopes else []
        fields += [("client_id", CLIENT), ("grant_type", "refresh_token")]
        fields += [("refresh_token", credentials.identity)]
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(fields).encode()
        response = transport.send("POST", realm, headers, body, is_insecure=is_insecure)
    else:
        fields += [("scope", scope) for scope in scopes]
        if credentials is not None:
            fields += [("account", credentials.username)]
            headers["Authorization"] = credentials.basic
        if wants_identity:
            fields += [("client_id", CLIENT), ("offline_token", "true")]
        separator = "&" if "?" in realm else "?"
        url = f"{realm}{separator}{urlencode(fields)}" if fields else realm
        response = transport.send("GET", url, headers, is_insecure=is_insecure)
    with response:
        return _token_in(response, asked)


def _token_in(response: Response, asked: Circumstances) -> Token:
    if response.status != 200:
        body = response.read_start(_LARGEST)
        raise refusal.error_for(response.status, body, asked)
    try:
        document = json.loads(response.read_all(_LARGEST))
        value = document.get("token") or document.get("access_token")
        life = float(document.get("expires_in") or _SHORTEST_LIFE)
        identity = str(document.get("refresh_token") or "")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        message = f"the authorization server of {asked.registry} answers nonsense"
        raise errors.RegistryError(message) from error
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        message = f"the authorization server of {asked.registry} gives no token"
        raise errors.RegistryError(message)
    expires = time.monotonic() + max(life, _SHORTEST_LIFE) - _EARLY
    return Token(value=value, expires=expires, identity=identity)
