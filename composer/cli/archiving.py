"""``export`` and ``commit``: the command line's part, for containers by hand and for those of services."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from composer import errors
from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from composer.cli.session import Session
    from composer.engine.records import ContainerRecord


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Where the tar goes."""
    parser.add_argument("-o", "--output", default="", metavar="FILE", help="instead of standard output")


def add_commit_options(parser: argparse.ArgumentParser) -> None:
    """What the image says of itself."""
    add = parser.add_argument
    add("-a", "--author", default="", metavar="AUTHOR", help="who made it")
    add("-c", "--change", action="append", default=[], metavar="INSTRUCTION", help="such as 'CMD [\"sh\"]'")
    add("-m", "--message", default="", metavar="TEXT", help="remark for its history")
    add(
        "-p",
        "--pause",
        action="store_true",
        default=True,
        help="freeze the container meanwhile (the default)",
    )


def export(session: Session, record: ContainerRecord, output: str) -> None:
    """Write the container's own file tree, without what is mounted in it, as a tar."""

    def act() -> None:
        from composer.engine import rootview
        from composer.host import filetree, tarstream

        with _sink(output) as sink, rootview.without_mounts(session.drivers(), record) as root:
            tarstream.write((entry for entry in filetree.walk(root) if entry.path), sink)

    hand.while_held(session, record, act)


def commit(session: Session, record: ContainerRecord, name: str, options: argparse.Namespace) -> None:
    """Make an image of the container and print its id."""

    def act() -> None:
        from composer.dockerfile import changes
        from composer.engine import commit as committing

        image = committing.commit(
            session.drivers(),
            record,
            tags=(name,) if name else (),
            adjust=lambda config: changes.changed(config, options.change),
            remarks=committing.Remarks(author=options.author, comment=options.message),
        )
        session.say(image.id)

    hand.while_held(session, record, act, pauses=options.pause)


@contextmanager
def _sink(output: str) -> Iterator[Callable[[bytes], object]]:
    """Standard output, or a file that is complete or not there."""
    if not output:
        if sys.stdout.isatty():
            raise errors.UsageError("a tar is not for a terminal", hint="Redirect it, or use -o FILE.")
        yield sys.stdout.buffer.write
        return
    partial = f"{output}.{os.getpid()}.part"
    try:
        with open(partial, "xb") as file:
            yield file.write
        os.rename(partial, output)
    except OSError as error:
        message = f"cannot write {output}: {error.strerror}"
        raise errors.UsageError(message) from error
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
