"""``composer network rm``."""

from __future__ import annotations

from composer import errors
from composer.cli import hand
from composer.cli.networkverbs import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer network rm shared"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network rm``."""
    parser.add_argument("-f", "--force", action="store_true", help="one that is not there is no error")
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Remove each that no container is on."""
    from composer.engine import networks

    def remove(word: str) -> None:
        drivers = session.drivers()
        try:
            document = networks.meant(networks.documents(drivers), word)
        except errors.UsageError:
            if options.force:
                return
            raise
        name = document["Name"]
        if name in rows.PREDEFINED:
            raise errors.UsageError(f"network {name} is always there, it cannot be removed")
        there = sorted({*document["Users"], *(one["Name"] for one in document["Containers"].values())})
        if there:
            message = f"network {name} is used by {', '.join(there)}"
            raise errors.ConflictError(message, hint="Remove the containers, or disconnect them, first.")
        drivers.network.remove(name)
        session.say(word)

    return hand.each(session, options.networks, remove)
