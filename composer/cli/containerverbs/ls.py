"""``container ls`` (and ``ps``): the containers of every stack, and those of none."""

from __future__ import annotations

from composer.cli import containerfilters, containerrows, filters, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from composer.cli.session import Session
    from composer.engine.drivers import Drivers

EXAMPLES = """composer container ls -a
composer container ls -f label=tier=web --format 'table {{.Names}}\\t{{.Status}}'
composer container ls -q --filter status=exited"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``ls``."""
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="stopped ones, too")
    add("-q", "--quiet", action="store_true", help="only ids")
    add("-s", "--size", action="store_true", help="with sizes")
    add("-n", "--last", type=int, default=-1, metavar="N", help="the last N made, in any state")
    add("-l", "--latest", action="store_true", help="the last one made, in any state")
    add("-f", "--filter", action="append", default=[], metavar="KEY=VALUE", help="only those that match")
    add("--format", default="", metavar="FORMAT", help="table, json, or a template: '{{.Names}}'")
    add("--no-trunc", action="store_true", help="whole ids and commands")


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the containers."""
    wanted = filters.parse(options.filter, containerfilters.KNOWN)
    inspected = []
    if session.paths.database.exists():
        from composer.engine.inspection import Inspector

        inspector = Inspector(session.drivers())
        inspected = inspector.every()
    by_id = {one.document["Id"]: one for one in inspected}
    chosen = containerfilters.chosen(
        [one.document for one in inspected],
        wanted,
        everything=options.all,
        last=1 if options.latest else options.last,
        is_descendant=_descent(session.drivers()) if wanted.of("ancestor") else _none,
    )
    if options.quiet and not options.format:
        lines = [document["Id"] if options.no_trunc else document["Id"][:12] for document in chosen]
    else:
        needs_size = options.size or ".Size" in options.format
        rows = [
            containerrows.row_of(
                document,
                status=by_id[document["Id"]].status,
                is_whole=options.no_trunc,
                sizes=inspector.sizes(document) if needs_size else None,
            )
            for document in chosen
        ]
        default = containerrows.DEFAULT + ("\t{{.Size}}" if options.size else "")
        lines = listing.listed(options.format, rows, containerrows.HEADERS, default)
    for line in lines:
        session.say(line)
    return 0


def _none(_image: str, _wanted: str) -> bool:
    return False


def _descent(drivers: Drivers) -> Callable[[str, str], bool]:
    """Whether an image is, or begins with the layers of, the one that a reference names."""

    def is_descendant(image_id: str, wanted: str) -> bool:
        ancestor, image = drivers.images.find(wanted), drivers.images.find(image_id)
        if ancestor is None:
            return False
        if ancestor.id == image_id:
            return True
        layers = ancestor.layers
        return image is not None and bool(layers) and image.layers[: len(layers)] == layers

    return is_descendant
