"""``composer image import``: a root file system in an archive becomes an image."""

from __future__ import annotations

import sys

from composer import errors
from composer.cli import progress
from composer.cli.imageverbs import opening
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO

    from composer.cli.session import Session
    from composer.model.distribution import Platform
    from composer.model.image import Image

EXAMPLES = """composer image import rootfs.tar.gz mybase:1
composer image import -c 'CMD ["/bin/sh"]' -m 'from the old server' - base < rootfs.tar"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image import``."""
    add = parser.add_argument
    add("file", metavar="FILE", help="tar, also compressed; - for stdin")
    add("name", metavar="REF", nargs="?", default="", help="name of the image; the file's unless given")
    add("-c", "--change", action="append", default=[], metavar="INSTRUCTION", help="such as 'CMD [\"sh\"]'")
    add("-m", "--message", default="", help="remark for the image's history")
    add("--platform", default="", metavar="OS/ARCH[/VARIANT]", help="what it runs on; this host unless given")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Import, and print the image's id."""
    if "://" in options.file:
        message = f"{options.file} is no file"
        raise errors.UsageError(message, hint="Fetch it, as in `curl -L URL | composer image import - NAME`.")
    name = options.name or name_from(options.file)
    if options.file == "-":
        image = _import(session, options, sys.stdin.buffer, name)
    else:
        try:
            stream = open(options.file, "rb")  # noqa: SIM115 -- closed below; only its opening is translated
        except OSError as error:
            message = f"cannot read {options.file}: {error.strerror}"
            raise errors.UsageError(message) from error
        with stream:
            image = _import(session, options, stream, name)
    session.say(image.id)
    return 0


def _import(session: Session, options: argparse.Namespace, stream: BinaryIO, name: str) -> Image:
    from composer.dockerfile import changes
    from composer.image import importer
    from composer.model.image import ImageConfig

    config = changes.changed(ImageConfig(), options.change)
    platform = _platform(options.platform)
    mode = session.root.progress
    renderer = progress.renderer_for(mode if mode in ("json", "quiet") else "plain", session.err)
    return importer.import_tar(
        opening.open_store(session),
        stream,
        name,
        config=config,
        comment=options.message or f"Imported from {options.file}",
        platform=platform,
        say=lambda line: renderer.show(events.message("info", line)),
    )


def _platform(text: str) -> Platform | None:
    from composer.model import platforms

    if not text:
        return None
    try:
        return platforms.parse(text)
    except ValueError as error:
        raise errors.UsageError(str(error), hint="As in linux/arm64/v8.") from error


def name_from(file: str) -> str:
    """The name of an image that was given none: the archive's, up to its first dot."""
    name = file.rpartition("/")[2].partition(".")[0].lower()
    if file == "-" or not name:
        raise errors.UsageError("the image needs a name", hint="As in `composer image import FILE NAME:TAG`.")
    return name
