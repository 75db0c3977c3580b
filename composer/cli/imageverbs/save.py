"""``composer image save``: images as an archive, into a file or a pipe."""

from __future__ import annotations

import os
import sys

from composer import errors
from composer.cli import terminal
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
    add("names", metavar="IMAGE", nargs="+")
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

    if options.output == "-":
        if terminal.is_terminal(sys.stdout):
            message = "an archive is nothing for a terminal"
            raise errors.UsageError(message, hint="Use -o FILE, or redirect stdout.")
        write(sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    else:
        _write_file(options.output, write)
    return 0


def _write_file(path: str, write: Callable[[Callable[[bytes], object]], None]) -> None:
    directory, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(directory, f".{name}.{os.getpid()}")
    try:
        with open(temporary, "xb") as file:
            write(file.write)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise errors.UsageError(message) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
