"""``composer image load``: images from an archive of ``save``, of Docker, Podman or skopeo."""

from __future__ import annotations

import sys

from composer import errors
from composer.cli import terminal
from composer.cli.imageverbs import opening

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import BinaryIO

    from composer.cli.session import Session
    from composer.model.distribution import Transfer

EXAMPLES = """composer image load -i images.tar
docker save app | composer image load"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image load``."""
    add = parser.add_argument
    add("-i", "--input", default="-", metavar="FILE", help="instead of stdin; may be compressed")
    add("-q", "--quiet", action="store_true", help="no progress")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Load, and say what was loaded."""
    if options.input == "-":
        if terminal.is_terminal(sys.stdin):
            message = "there is no archive to load"
            raise errors.UsageError(message, hint="Use -i FILE, or redirect stdin.")
        return _load(session, sys.stdin.buffer, is_quiet=options.quiet)
    try:
        stream = open(options.input, "rb")  # noqa: SIM115 -- closed below; only its opening is translated
    except OSError as error:
        message = f"cannot read {options.input}: {error.strerror}"
        raise errors.UsageError(message) from error
    with stream:
        return _load(session, stream, is_quiet=options.quiet)


def _load(session: Session, stream: BinaryIO, *, is_quiet: bool) -> int:
    from composer.image import loading
    from composer.model import reference
    from composer.model.distribution import TransferState

    def report(transfer: Transfer) -> None:
        if not is_quiet and transfer.state is TransferState.UNPACKING and not transfer.done:
            session.note(f"unpacking {transfer.digest.removeprefix('sha256:')[:12]}")

    for one in loading.load(opening.open_store(session), stream, report):
        for tag in one.tags:
            session.say(f"Loaded image: {reference.parse(tag).familiar}")
        if not one.tags:
            session.say(f"Loaded image ID: {one.image.id}")
    return 0
