"""``composer image tag``: another name for an image."""

from __future__ import annotations

from composer import errors
from composer.cli.imageverbs import opening

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer image tag app registry.example:5000/team/app:1.2"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image tag``."""
    parser.add_argument("source", metavar="SOURCE", help="name or id")
    parser.add_argument("target", metavar="TARGET[:TAG]", help="its further name")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Tag."""
    if "@" in options.target:
        message = f"{options.target} names a digest, which cannot be chosen"
        raise errors.UsageError(message, hint="Give NAME[:TAG].")
    store = opening.open_store(session)
    store.tag(options.target, store.get(options.source).id)
    return 0
