"""``composer image ls``: the images of the store, newest first."""

from __future__ import annotations

import time

from composer.cli import filters, listing
from composer.cli.imageverbs import opening, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer image ls debian
composer image ls --digests --no-trunc
composer image ls --filter dangling=true -q
composer image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}'"""

HEADERS = {
    "Containers": "CONTAINERS",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "SharedSize": "SHARED SIZE",
    "Size": "SIZE",
    "Tag": "TAG",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "VIRTUAL SIZE",
}
DEFAULT = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
WITH_DIGESTS = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image ls``."""
    add = parser.add_argument
    add("repository", nargs="?", default="", metavar="REPOSITORY[:TAG]", help="only these; may have * and ?")
    add("-a", "--all", action="store_true", help="also images of build steps (composer keeps none)")
    add("-q", "--quiet", action="store_true", help="only ids")
    add("--digests", action="store_true", help="show digests")
    add("--no-trunc", action="store_true", help="whole ids")
    add(
        "-f", "--filter", action="append", default=[], metavar="KEY=VALUE",
        help=f"{', '.join(rows.FILTERS)}",
    )  # fmt: skip
    add("--format", default="", help="table, json, or a template")


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the images."""
    texts = [*options.filter, *([f"reference={options.repository}"] if options.repository else [])]
    wanted = filters.parse(texts, rows.FILTERS)
    store = opening.open_store(session)
    now = time.time()
    images = rows.chosen(store.list(), wanted, store.get, now)
    if options.quiet:
        for image in images:
            session.say(image.id if options.no_trunc else rows.short_id(image.id))
        return 0
    uses_count = "Containers" in options.format or options.format == "json"
    values = [
        row
        for image in images
        for row in rows.rows_of(
            rows.with_references(image, wanted.of("reference")),
            now,
            digests=options.digests or "Digest" in options.format,
            whole=options.no_trunc,
            containers=len(store.users(image)) if uses_count else 0,
        )
    ]
    default = WITH_DIGESTS if options.digests else DEFAULT
    for line in listing.listed(options.format, values, HEADERS, default):
        session.say(line)
    return 0
