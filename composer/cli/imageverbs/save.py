"""``composer image save``: images as an archive, into a file or a pipe."""

from __future__ import annotations

from composer.cli import outputs
from composer.cli.imageverbs import opening

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from composer.cli.session import Session

EXAMPLES = """composer image save -o app.tar app:1 debian:bookworm-slim
composer image save app | docker load
composer image save --format oci-archive -o app.oci.tar app"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image save``."""
    add = parser.add_argument
    add("names", metavar="IMAGE", nargs="+", help="name or id of an image")
    add("-o", "--output", default="-", metavar="FILE", help="instead of stdout")
    add(
        "--format",
        choices=("docker-archive", "oci-archive"),
        default="docker-archive",
        help="docker-archive, for docker load and every other tool; oci-archive, as registries have it",
    )


def execute(session: Session, options: argparse.Namespace) -> int:
    """Write the archive: whole, or not at all where it is a file."""
    from composer.image import saving

    store = opening.open_store(session)
    chosen = saving.choose(store, options.names)

    def write(sink: Callable[[bytes], object]) -> None:
        saving.save(store, chosen, sink, options.format)

    outputs.write(options.output, write)
    return 0
