"""``composer image history``: the instructions that made an image, newest first."""

from __future__ import annotations

import time

from composer.cli import listing, table
from composer.cli.imageverbs import opening, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from composer.cli.session import Json, Session
    from composer.model.image import Image

EXAMPLES = """composer image history debian:bookworm-slim
composer image history --no-trunc --format '{{.CreatedBy}}' app"""

HEADERS = {
    "Comment": "COMMENT",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "CreatedSince": "CREATED",
    "ID": "IMAGE",
    "Size": "SIZE",
}
DEFAULT = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
_MISSING = "<missing>"
_WIDEST = 45


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image history``."""
    add = parser.add_argument
    add("image", metavar="IMAGE", help="name or id of an image")
    add("-H", "--human", default="true", nargs="?", const="true", choices=("true", "false"),
        help="sizes and dates for people (the default)")  # fmt: skip
    add("-q", "--quiet", action="store_true", help="only ids")
    add("--no-trunc", action="store_true", help="whole ids and instructions")
    add("--format", default="", help="table, json, or a template")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show the history."""
    store = opening.open_store(session)
    image = store.get(options.image)
    values = values_of(
        image,
        store.layer_sizes(image),
        time.time(),
        whole=options.no_trunc,
        for_people=options.human == "true",
    )
    if options.quiet:
        for value in values:
            session.say(str(value["ID"]))
        return 0
    for line in listing.listed(options.format, values, HEADERS, DEFAULT):
        session.say(line)
    return 0


def values_of(image: Image, sizes: Sequence[int], now: float, *, whole: bool, for_people: bool) -> list[Json]:
    """A row per line of history, the newest first; layers belong to lines that are not empty."""
    from composer.cli import terminal

    left = list(sizes)
    values: list[Json] = []
    for entry in image.history:
        size = 0 if entry.is_empty or not left else left.pop(0)
        text = terminal.harmless(" ".join(entry.created_by.split()))
        values.append(
            {
                "Comment": terminal.harmless(entry.comment),
                "CreatedAt": rows.created_at(entry.created) if for_people else entry.created,
                "CreatedBy": text if whole else table.shortened(text, _WIDEST),
                "CreatedSince": rows.created_since(entry.created, now) if for_people else entry.created,
                "ID": _MISSING,
                "Size": table.human_size(size) if for_people else str(size),
            }
        )
    if values:
        values[-1]["ID"] = image.id if whole else rows.short_id(image.id)
    return values[::-1]
