"""``composer system df``: what takes how much room, and how much could be had back."""

from __future__ import annotations

import time

from composer import errors
from composer.cli import listing, table
from composer.cli.imageverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from composer.cli.session import Json, Session
    from composer.engine.usage import Total, Usage

EXAMPLES = """composer system df
composer system df -v
composer system df --format '{{.Type}}: {{.Reclaimable}}'"""

HEADERS = {
    "Active": "ACTIVE",
    "Reclaimable": "RECLAIMABLE",
    "Size": "SIZE",
    "TotalCount": "TOTAL",
    "Type": "TYPE",
}
DEFAULT = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``system df``."""
    add = parser.add_argument
    add("-v", "--verbose", action="store_true", help="one by one")
    add("--format", default="", help="table, json, or a template")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Measure and show."""
    from composer.engine import usage

    if options.verbose and options.format:
        message = "--verbose has tables of several kinds: it takes no --format"
        raise errors.UsageError(message)
    used = usage.measure(session.drivers())
    if options.verbose:
        for title, header, lines in details(used, time.time()):
            session.say(f"{title}\n")
            session.out.write(table.table(header, lines))
            session.say("")
        return 0
    values = [value_of(total) for total in used.totals()]
    for line in listing.listed(options.format, values, HEADERS, DEFAULT):
        session.say(line)
    return 0


def value_of(total: Total) -> Json:
    """A line of the summary as Docker words it."""
    share = f" ({total.reclaimable * 100 // total.size}%)" if total.size else ""
    return {
        "Active": str(total.active),
        "Reclaimable": f"{table.human_size(total.reclaimable)}{share}",
        "Size": table.human_size(total.size),
        "TotalCount": str(total.total),
        "Type": total.kind,
    }


def details(used: Usage, now: float) -> list[tuple[str, tuple[str, ...], Sequence[Sequence[str]]]]:
    """A title, a header and lines for images, containers, volumes and the build cache."""
    size = table.human_size
    images = [
        (repository, tag, rows.short_id(one.image.id), rows.created_since(one.image.created, now),
         size(one.image.size), size(one.shared), size(one.unique), str(one.containers))
        for one in used.images
        for repository, tag, _ in rows.names_of(one.image, digests=False)
    ]  # fmt: skip
    containers = [
        (document["Id"][:12], document["Config"]["Image"], str(len(document["Mounts"])), size(one.size),
         one.container.status, document["Name"].lstrip("/"))
        for one in used.containers
        for document in (one.container.document,)
    ]  # fmt: skip
    volumes = [(one.name, str(one.links), size(one.size)) for one in used.volumes]
    cache = [
        (rows.short_id(one.layer), size(one.size), "true" if one.is_shared else "false") for one in used.cache
    ]
    return [
        (
            "Images space usage:",
            ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"),
            images,
        ),
        (
            "Containers space usage:",
            ("CONTAINER ID", "IMAGE", "LOCAL VOLUMES", "SIZE", "STATUS", "NAMES"),
            containers,
        ),
        ("Local Volumes space usage:", ("VOLUME NAME", "LINKS", "SIZE"), volumes),
        (f"Build cache usage: {size(used.totals()[3].size)}", ("CACHE ID", "SIZE", "SHARED"), cache),
    ]
