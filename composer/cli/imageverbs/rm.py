"""``composer image rm``: take names away, and images that have none left."""

from __future__ import annotations

from composer import errors
from composer.cli import hand
from composer.cli.imageverbs import opening

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer image rm app:1
composer image rm -f 3f5ef9003cef"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image rm``."""
    add = parser.add_argument
    add("names", metavar="IMAGE", nargs="+", help="name or id of an image")
    add("-f", "--force", action="store_true", help="also all names of an id, and names of images in use")
    add("--no-prune", action="store_true", help="keep untagged parents (composer's images have none)")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Remove; one that fails does not keep the others."""
    store = opening.open_store(session)

    def remove(name: str) -> None:
        try:
            lines = store.remove(name, force=options.force)
        except errors.ImageNotFound:
            if not options.force:
                raise
            return
        for line in lines:
            session.say(line)

    return hand.each(session, options.names, remove)
