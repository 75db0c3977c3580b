"""``WWW-Authenticate``: what a server wants to be shown (RFC 9110, section 11.6.1), read tolerantly.

A header may hold several challenges, and commas separate both challenges and their parameters; a
parameter is told from the next scheme by its ``=``.  Whatever cannot be read ends the reading: what
came before it is still good.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

LONGEST = 16 * 1024
"""Characters of one header that are looked at."""

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SEPARATORS = re.compile(r"[ \t,]*")
_SCHEME = re.compile(rf"({_WORD})(?=[ \t,]|$)")
_PARAMETER = re.compile(rf'({_WORD})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))', re.DOTALL)
_TOKEN_68 = re.compile(r"[ \t]+([A-Za-z0-9\-._~+/]+=*)(?=[ \t]*(?:,|$))")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@attrs.frozen(kw_only=True)
class Challenge:
    """One way in: ``scheme`` and names of parameters are in lower case."""

    scheme: str
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    token: str = ""


def parse(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge of the headers of one answer, in their order."""
    return tuple(found for header in headers for found in _parse_one(header[:LONGEST]))


def find(challenges: Iterable[Challenge], scheme: str) -> Challenge | None:
    """The first challenge of a scheme (in lower case)."""
    return next((one for one in challenges if one.scheme == scheme), None)


def _parse_one(header: str) -> Iterable[Challenge]:
    position = _after(_SEPARATORS, header, 0)
    while (scheme := _SCHEME.match(header, position)) is not None:
        position = scheme.end()
        token = ""
        parameters: dict[str, str] = {}
        if (bare := _TOKEN_68.match(header, position)) is not None:
            token, position = bare[1], bare.end()
        position = _after(_SEPARATORS, header, position)
        while (parameter := _PARAMETER.match(header, position)) is not None:
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else _ESCAPE.sub(r"\1", quoted)
            parameters.setdefault(name.lower(), value)
            position = _after(_SEPARATORS, header, parameter.end())
        yield Challenge(scheme=scheme[1].lower(), parameters=parameters, token=token)


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return position if match is None else match.end()
