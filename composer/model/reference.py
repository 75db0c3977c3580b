"""Image names: ``[domain/]path[:tag][@digest]`` (distribution ``reference`` grammar).

Stored names are complete (``docker.io/library/debian:bookworm-slim``); people read and write the
familiar form (``debian:bookworm-slim``).
"""

from __future__ import annotations

import re

import attrs

from composer import errors

DEFAULT_DOMAIN = "docker.io"
DEFAULT_PATH = "library/"
DEFAULT_TAG = "latest"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_DOMAIN = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9-]+)*(?::\d+)?", re.ASCII)
_LONGEST = 255


@attrs.frozen(kw_only=True)
class Reference:
    """A complete image name; ``tag`` is "" when only a digest was given."""

    domain: str
    path: str
    tag: str = DEFAULT_TAG
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.domain}/{self.path}{tag}{digest}"

    @property
    def repository(self) -> str:
        """The familiar name without tag."""
        if self.domain != DEFAULT_DOMAIN:
            return f"{self.domain}/{self.path}"
        return self.path.removeprefix(DEFAULT_PATH)

    @property
    def familiar(self) -> str:
        """As people write it: without the default domain, ``library/`` and nothing for ``latest``'s sake."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse(text: str) -> Reference:
    """Complete a name; raises ``UsageError`` for what is no image name."""
    rest, _, digest = text.partition("@")
    head, slash, tail = rest.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        domain, path = head, tail
    else:
        domain, path = DEFAULT_DOMAIN, rest
    path, colon, tag = path.partition(":")
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"{DEFAULT_PATH}{path}"
    is_valid = (
        _DOMAIN.fullmatch(domain)
        and _PATH.fullmatch(path)
        and len(path) <= _LONGEST
        and (not colon or _TAG.fullmatch(tag))
        and (not digest or _DIGEST.fullmatch(digest))
        and ("@" not in text or digest)
    )
    if not is_valid:
        message = f"invalid image name {text!r}"
        raise errors.UsageError(message, hint="Expected NAME[:TAG][@sha256:...], in lower case.")
    return Reference(domain=domain, path=path, tag=tag or ("" if digest else DEFAULT_TAG), digest=digest)


def looks_like_id(text: str) -> bool:
    """Whether ``text`` may be an image id or a prefix of one."""
    return bool(re.fullmatch(r"(?:sha256:)?[0-9a-f]{4,64}", text, re.ASCII))
