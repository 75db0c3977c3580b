"""Content keys: two steps with the same key give the same layer, so the second is not run.

A key covers everything a step can see and nothing else: the layers below it by digest, the command
with its environment and user, the copied files with content, mode, owner, link target and extended
attributes.  Times of modification, file names outside the context and line numbers are not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from composer.dockerfile.context import Selection

_FORMAT = "composer build step 3"
"""Changes whenever the way a step is carried out changes what it gives."""


def of_run(
    below: tuple[str, ...],
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    user: str,
    working_dir: str,
    network: str,
    rest: tuple[object, ...] = (),
) -> str:
    """The key of a RUN; ``rest`` is what else it sees (mounts, limits), without any secret."""
    variables = tuple(sorted(environment.items()))
    return _key("run", below, argv, variables, user, working_dir, network, rest)


def of_copy(below: tuple[str, ...], selections: Iterable[Selection], rest: tuple[object, ...]) -> str:
    """The key of a COPY or ADD by content; ``rest`` is everything else that it says."""
    listing = tuple(
        (selection.name, tuple(entry.identity for entry in selection.entries)) for selection in selections
    )
    return _key("copy", below, listing, rest)


def of_copy_between_layers(
    below: tuple[str, ...], origin: tuple[str, ...], sources: tuple[str, ...], rest: tuple[object, ...]
) -> str:
    """A cheaper key of ``COPY --from``: the same layers hold the same content, unread."""
    return _key("copy from", below, origin, sources, rest)


def of_directory(below: tuple[str, ...], path: str) -> str:
    """The key of a WORKDIR."""
    return _key("workdir", below, path)


def _key(*parts: object) -> str:
    """Hash tuples of texts, numbers and bytes: ``repr`` writes no two different ones alike."""
    return hashlib.sha256(repr((_FORMAT, *parts)).encode()).hexdigest()
