"""``image import``: a root file system in a tar archive becomes an image of one layer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import BinaryIO

from composer.host import durable
from composer.image import unpack
from composer.image.store import Store
from composer.model.distribution import Platform
from composer.model.image import HistoryEntry, Image, ImageConfig


def import_tar(
    store: Store,
    stream: BinaryIO,
    reference: str,
    *,
    config: ImageConfig | None = None,
    comment: str = "imported",
    platform: Platform | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Image:
    """Unpack, publish, record, tag.  The archive may be compressed; it is not kept.

    The layer's id is that of the canonical archive of what was unpacked, so that it can be made
    again at any time.  Raises ``HostileLayer`` or ``ImageError``; then nothing is published.
    """
    with store.lease():
        staged = store.staging("import")
        tree = staged / "tree"
        durable.make_directory(tree, 0o755)
        try:
            say("unpacking")
            unpack.unpack(stream, tree)
            say("publishing")
            layer = store.add_layer(tree)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return finish(
            store, [layer], reference, config=config or ImageConfig(), comment=comment, platform=platform
        )


def finish(
    store: Store,
    layers: Sequence[str],
    reference: str,
    *,
    config: ImageConfig,
    comment: str,
    platform: Platform | None = None,
) -> Image:
    """Record an image made outside the Dockerfile builder."""
    history = [HistoryEntry(created="", created_by="", comment=comment)]
    return store.add_image(config, layers, history=history, tags=[reference], platform=platform)
