"""What an image says about the containers made from it (OCI image-spec v1.1, ``config.md``)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from composer.model.stack import Healthcheck


@attrs.frozen(kw_only=True)
class ImageConfig:
    """The part of the image configuration that containers and builds read.

    ``environment`` keeps the image's order.  ``entrypoint`` and ``command`` are ``None`` when not
    set.  ``exposed_ports`` are ``"80/tcp"``.  ``shell`` is "" tuple when not set.
    """

    environment: Mapping[str, str] = attrs.field(factory=dict)
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = attrs.field(factory=dict)
    healthcheck: Healthcheck | None = None
    stop_signal: str = ""
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class HistoryEntry:
    """One line of ``image history``; ``is_empty`` when the instruction made no layer."""

    created: str
    created_by: str
    is_empty: bool = False
    author: str = ""
    comment: str = ""


@attrs.frozen(kw_only=True)
class Image:
    """One image of the store.

    ``id`` is the digest of its configuration (``sha256:...``), ``layers`` are the diffIDs, lowest
    first, ``tags`` the references that name it (``docker.io/library/debian:bookworm-slim``), and
    ``digests`` those by which registries know it (``docker.io/library/debian@sha256:...``).
    ``size`` is the sum of its unpacked layers in bytes; ``created`` is RFC 3339.
    """

    id: str
    config: ImageConfig
    layers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    created: str = ""
    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""
    size: int = 0
