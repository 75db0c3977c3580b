"""``composer images``: the images that the stack's containers were made from."""

from __future__ import annotations

import json

from composer.cli import arguments, containers, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from composer.cli.session import Json, Session
    from composer.model.image import Image

EXAMPLES = """composer images
composer images -q web"""

HEADER = ("CONTAINER", "REPOSITORY", "TAG", "IMAGE ID", "SIZE")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``images``."""
    parser.add_argument("-q", "--quiet", action="store_true", help="only ids")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="how to show it")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """List the images."""
    rows = session.rows()
    containers.check_services(rows, options.services)
    chosen = [row for row in rows if not options.services or row["Service"] in options.services]
    images = {str(row["ImageID"]): _find(session, str(row["ImageID"])) for row in chosen}
    values = [value_of(row, images[str(row["ImageID"])]) for row in chosen]
    if options.quiet:
        for identity in dict.fromkeys(str(value["ID"]) for value in values):
            session.say(identity.removeprefix("sha256:"))
    elif options.format == "json":
        session.say(json.dumps(values))
    else:
        session.out.write(table.table(HEADER, [_cells(value) for value in values]))
    return 0


def _find(session: Session, identity: str) -> Image | None:
    return session.drivers().images.find(identity) if identity else None


def value_of(row: Mapping[str, object], image: Image | None) -> Json:
    """One container's image; its size in bytes, 0 when the image is gone."""
    from composer.model import reference

    parsed = reference.parse(str(row["Image"]))
    return {
        "ContainerName": row["Name"],
        "ID": row["ImageID"],
        "Repository": parsed.repository,
        "Tag": parsed.tag,
        "Size": image.size if image else 0,
    }


def _cells(value: Json) -> tuple[str, ...]:
    size = value["Size"]
    return (
        str(value["ContainerName"]),
        str(value["Repository"]),
        str(value["Tag"]),
        str(value["ID"]).removeprefix("sha256:")[:12],
        table.human_size(size if isinstance(size, int) else 0),
    )
