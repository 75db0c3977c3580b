"""``composer image bootstrap``: a base image from Debian's packages or the static busybox."""

from __future__ import annotations

from composer import errors
from composer.cli import progress
from composer.cli.imageverbs import opening
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer image bootstrap debian:bookworm-slim
composer image bootstrap --include python3,curl mybase
composer image bootstrap --busybox busybox"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image bootstrap``."""
    add = parser.add_argument
    add("name", metavar="NAME", help="such as debian:bookworm-slim")
    add("--suite", default="", help="Debian release; as the tag says unless given")
    add("--include", default="", metavar="PACKAGE,...", help="more packages")
    add("--busybox", action="store_true", help="a static busybox instead of Debian")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make the image and print its id."""
    from composer.cli import interruption
    from composer.host import mounts
    from composer.image import bootstrap

    packages = tuple(name for name in options.include.split(",") if name)
    if options.busybox and (packages or options.suite):
        message = "--busybox makes an image of one program: it takes no --suite and no --include"
        raise errors.UsageError(message)
    mounts.enter_private_namespace()  # mmdebstrap mounts /proc and more in its tree
    store = opening.open_store(session)
    mode = session.root.progress
    renderer = progress.renderer_for(mode if mode in ("json", "quiet") else "plain", session.err)

    def say(line: str) -> None:
        renderer.show(events.message("info", line))

    if options.busybox:
        image = bootstrap.bootstrap_busybox(store, options.name, say=say)
    else:
        with interruption.stop_flag() as flag:
            image = bootstrap.bootstrap_debian(
                store, options.name, suite=options.suite, include=packages, say=say, interrupt=flag
            )
    session.say(image.id)
    return 0
