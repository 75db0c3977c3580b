"""``container ls`` (and ``ps``): the containers of every stack, and those of none."""

from __future__ import annotations

from composer.cli import containerfilters, containerrows, filters, hand, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from composer.cli.containerfilters import Document
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
    described = hand.every(session)
    status = {one["document"]["Id"]: str(one["status"]) for one in described}  # type: ignore[index]
    chosen = containerfilters.chosen(
        [one["document"] for one in described],  # type: ignore[misc]
        wanted,
        everything=options.all,
        last=1 if options.latest else options.last,
        is_descendant=_descent(session.drivers()) if wanted.of("ancestor") else _none,
    )
    for line in _lines(session, options, chosen, status):
        session.say(line)
    return 0


def _lines(
    session: Session, options: argparse.Namespace, chosen: list[Document], status: dict[str, str]
) -> list[str]:
    if options.quiet and not options.format:
        return [document["Id"] if options.no_trunc else document["Id"][:12] for document in chosen]
    sizes = {}
    if chosen and (options.size or ".Size" in options.format):
        from composer.engine.inspection import Inspector

        inspector = Inspector(session.drivers())
        sizes = {document["Id"]: inspector.sizes(document) for document in chosen}
    rows = [
        containerrows.row_of(
            document,
            status=status[document["Id"]],
            is_whole=options.no_trunc,
            sizes=sizes.get(document["Id"]),
        )
        for document in chosen
    ]
    default = containerrows.DEFAULT + ("\t{{.Size}}" if options.size else "")
    return listing.listed(options.format, rows, containerrows.HEADERS, default)


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
