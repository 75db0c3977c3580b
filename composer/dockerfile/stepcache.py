"""What build steps gave, written down so that it can travel in an image.

An image that carries a cache has the label ``composer.build.cache``: JSON that maps the content key of
each step to positions in the image's list of layers.  So a cache is kept, pushed, pulled and looked at
with the tools for images, and an image may be its own cache (``type=inline``).

Whoever names a cache trusts it, as with BuildKit: its layers are checked against their digests, but
that a step with this key gives this layer is its word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

LABEL = "composer.build.cache"
_VERSION = 1
_KEY = re.compile(r"[0-9a-f]{64}")


def text_of(steps: Mapping[str, tuple[str, ...]], layers: Sequence[str]) -> str:
    """The label's text for those steps whose layers are all among ``layers``."""
    places = {layer: position for position, layer in enumerate(layers)}
    kept = {
        key: [places[layer] for layer in given]
        for key, given in sorted(steps.items())
        if all(layer in places for layer in given)
    }
    return json.dumps({"v": _VERSION, "steps": kept}, separators=(",", ":"))


def steps_in(text: str, layers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The steps of a label of an image with these layers; what is malformed is no step."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    steps = document.get("steps") if isinstance(document, dict) and document.get("v") == _VERSION else None
    found: dict[str, tuple[str, ...]] = {}
    for key, places in (steps if isinstance(steps, dict) else {}).items():
        is_listed = isinstance(places, list) and all(
            isinstance(place, int) and 0 <= place < len(layers) for place in places
        )
        if _KEY.fullmatch(key) and is_listed:
            found[key] = tuple(layers[place] for place in places)
    return found
