"""Images as rows of lists, and which of them a filter means.  Pure."""

from __future__ import annotations

import re

from composer.cli import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.cli.filters import Filters
    from composer.cli.session import Json
    from composer.model.image import Image

FILTERS = ("before", "dangling", "label", "reference", "since", "until")
PRUNE_FILTERS = ("dangling", "label", "until")
NONE = "<none>"
LONGEST_ID = 12


def rows_of(image: Image, now: float, *, digests: bool, whole: bool, containers: int = 0) -> list[Json]:
    """One row per name of the image, with ``digests`` one per name and digest; a nameless one is a row."""
    return [
        {
            "Containers": str(containers),
            "CreatedAt": created_at(image.created),
            "CreatedSince": created_since(image.created, now),
            "Digest": digest,
            "ID": image.id if whole else short_id(image.id),
            "Repository": repository,
            "SharedSize": "N/A",
            "Size": table.human_size(image.size),
            "Tag": tag,
            "UniqueSize": "N/A",
            "VirtualSize": table.human_size(image.size),
        }
        for repository, tag, digest in names_of(image, digests=digests)
    ]


def names_of(image: Image, *, digests: bool) -> list[tuple[str, str, str]]:
    """(repository, tag, digest) of every row of an image, ``<none>`` for what it has not."""
    from composer.model import reference

    tags: dict[str, list[str]] = {}
    known: dict[str, list[str]] = {}
    for text in image.tags:
        parsed = reference.parse(text)
        tags.setdefault(parsed.repository, []).append(parsed.tag)
    for text in image.digests:
        parsed = reference.parse(text)
        known.setdefault(parsed.repository, []).append(parsed.digest)
    found = [
        (repository, tag, digest)
        for repository in dict.fromkeys((*tags, *known))
        for tag in tags.get(repository, [NONE])
        for digest in (known.get(repository, [NONE]) if digests else [NONE])
    ]
    return found or [(NONE, NONE, NONE)]


def short_id(identity: str) -> str:
    """The twelve digits that people write."""
    return identity.removeprefix("sha256:")[:LONGEST_ID]


def seconds_of(created: str) -> float:
    """RFC 3339 as Unix seconds; 0 for what is none."""
    from composer.model import moment

    try:
        return moment.parse(created, 0.0) if created else 0.0
    except ValueError:
        return 0.0


def created_since(created: str, now: float) -> str:
    """``2 weeks ago``; ``N/A`` for an image that does not say when it was made."""
    from composer.model import moment

    seconds = seconds_of(created)
    return f"{moment.human_span(now - seconds)} ago" if seconds > 0 else "N/A"


def created_at(created: str) -> str:
    """As Go prints a time: ``2026-11-23 18:59:35 +0000 UTC``."""
    from datetime import UTC, datetime

    seconds = seconds_of(created)
    if seconds <= 0:
        return "N/A"
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M:%S +0000 UTC}"


def is_dangling(image: Image) -> bool:
    """Whether nothing names the image."""
    return not image.tags and not image.digests


def chosen(
    images: Sequence[Image], filters: Filters, find: Callable[[str], Image], now: float
) -> list[Image]:
    """The images that the filters let through, newest first; raises for what a filter names wrongly."""
    is_wanted = filters.flag("dangling")
    before = [seconds_of(find(name).created) for name in filters.of("before")]
    since = [seconds_of(find(name).created) for name in filters.of("since")]
    until = filters.moment("until", now)
    patterns = [_pattern(text) for text in filters.of("reference")]
    found = [
        image
        for image in images
        if (is_wanted is None or is_dangling(image) is is_wanted)
        and all(seconds_of(image.created) < limit for limit in before)
        and all(seconds_of(image.created) > limit for limit in since)
        and (until is None or seconds_of(image.created) < until)
        and filters.accept_labels(image.config.labels)
        and (
            not patterns or any(pattern.fullmatch(name) for pattern in patterns for name in _spellings(image))
        )
    ]
    return sorted(found, key=lambda image: -seconds_of(image.created))


def with_references(image: Image, patterns: Sequence[str]) -> Image:
    """The image with only those names that a pattern matches (all of them without patterns)."""
    import attrs

    if not patterns:
        return image
    compiled = [_pattern(text) for text in patterns]

    def is_meant(full: str) -> bool:
        return any(pattern.fullmatch(name) for pattern in compiled for name in _spellings_of(full))

    return attrs.evolve(
        image, tags=tuple(filter(is_meant, image.tags)), digests=tuple(filter(is_meant, image.digests))
    )


def _spellings(image: Image) -> list[str]:
    return [name for full in (*image.tags, *image.digests) for name in _spellings_of(full)]


def _spellings_of(full: str) -> tuple[str, ...]:
    """The familiar name, without its tag, and the complete one: a pattern may be any of them."""
    from composer.model import reference

    parsed = reference.parse(full)
    return (parsed.familiar, parsed.repository, full, f"{parsed.domain}/{parsed.path}")


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern of Go's ``path.Match`` without classes: ``*`` and ``?`` stop at a slash."""
    parts = {"*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in text))
