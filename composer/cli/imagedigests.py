"""The images of a stack by digest: what their tags mean today, as their registries say."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from composer.cli import interruption
from composer.model import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from composer.model.protocols import Interrupt
    from composer.registry.registry import Registry

    Tree = dict[str, Any]

_AT_ONCE = 6


def resolved(tree: Tree, *, only_images: bool) -> Tree:
    """The tree with a digest in every image name; with ``only_images`` an override file of nothing else.

    Names are complete, as Docker Compose writes them (``docker.io/library/redis:7@sha256:...``).  Raises
    ``RegistryError`` for an image that no registry has.
    """
    from composer.registry.registry import Registry

    services: Tree = tree.get("services") or {}
    written = {service["image"] for service in services.values() if service.get("image")}
    registry = Registry(os.environ)
    with interruption.stop_flag() as flag, ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
        pending = {image: threads.submit(_named, registry, image, flag) for image in sorted(written)}
        names = {image: one.result() for image, one in pending.items()}
    if only_images:
        images = {
            name: {"image": names[service["image"]]}
            for name, service in services.items()
            if service.get("image")
        }
        return {"services": images}
    changed = {
        name: {**service, "image": names[service["image"]]} if service.get("image") else service
        for name, service in services.items()
    }
    return {**tree, "services": changed}


def _named(registry: Registry, image: str, interrupt: Interrupt) -> str:
    parsed = reference.parse(image)
    if parsed.digest:
        return str(parsed)
    return f"{parsed}@{registry.digest_of(image, interrupt=interrupt)}"
