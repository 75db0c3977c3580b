"""How an image is built: the ``build`` section of a service (Compose Specification, ``build.md``)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

import attrs

from composer.model.limits import Ulimit
from composer.model.quantity import ByteSize


@attrs.frozen(kw_only=True)
class BuildSecret:
    """A secret that RUN steps may mount: ``source`` is a top-level key, ``target`` its id there."""

    source: str
    target: str = ""
    uid: str | None = None
    gid: str | None = None
    mode: int | None = None


@attrs.frozen(kw_only=True)
class Build:
    """``context`` is absolute or remote; ``dockerfile`` is relative to it or absolute.

    ``ssh`` maps an agent's id to its socket or key ("" for the caller's agent); ``additional_contexts``
    a name to a directory or ``docker-image://``, ``service:`` and the like; ``args`` without a value
    in the file and in the caller's environment are not there.
    """

    context: str
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str | None = None
    args: Mapping[str, str] = attrs.field(factory=dict)
    target: str | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    tags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    additional_contexts: Mapping[str, str] = attrs.field(factory=dict)
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    no_cache: bool = False
    pull: bool = False
    secrets: tuple[BuildSecret, ...] = ()
    ssh: Mapping[str, str] = attrs.field(factory=dict)
    network: str | None = None
    extra_hosts: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    shm_size: ByteSize | None = None
    ulimits: Mapping[str, Ulimit] = attrs.field(factory=dict)
    privileged: bool = False
    entitlements: tuple[str, ...] = ()
    isolation: str | None = None
    provenance: str | None = None
    sbom: str | None = None


def cache_place(text: str, directory: str) -> str:
    """An entry of ``cache_from`` or ``cache_to`` with the path of a local one made absolute."""
    if not text.startswith("type=local") and ",type=local" not in text:
        return text
    words = []
    for word in text.split(","):
        key, _, value = word.partition("=")
        words.append(f"{key}={posixpath.join(directory, value)}" if key in {"src", "dest"} else word)
    return ",".join(words)
