"""``composer volume rm``."""

from __future__ import annotations

from composer import errors
from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer volume rm data cache"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``volume rm``."""
    parser.add_argument("-f", "--force", action="store_true", help="one that is not there is no error")
    parser.add_argument("volumes", nargs="+", metavar="VOLUME", help="name of a volume")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Remove each that no container uses."""

    def remove(name: str) -> None:
        drivers = session.drivers()
        if drivers.records.volume(name) is None:
            if options.force:
                return
            message = f"no such volume: {name}"
            raise errors.UsageError(message, hint="See `composer volume ls`.")
        from composer.engine.inspection import Inspector

        users = Inspector(drivers).users_of_volumes().get(name, [])
        if users:
            names = ", ".join(document["Name"].removeprefix("/") for document in users)
            message = f"volume {name} is in use by {names}"
            raise errors.ConflictError(message, hint="Remove the containers first.")
        drivers.volumes.remove(name)
        session.say(name)

    return hand.each(session, options.volumes, remove)
