"""``composer network disconnect``: take a container off a network, at once if it runs."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = "composer network disconnect shared shop-web-1"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network disconnect``."""
    parser.add_argument("-f", "--force", action="store_true", help="one that is not on it is no error")
    parser.add_argument("network", metavar="NETWORK", help="name, id or beginning of an id")
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask the container's supervisor to unplug it."""
    from composer.engine import networks

    def disconnect(word: str) -> None:
        record = hand.find(session, word)
        document = networks.meant(networks.documents(session.drivers()), options.network)
        arguments = {"network": document["Name"], "force": options.force}
        hand.ask(session, record, "container_disconnect", arguments)

    return hand.each(session, [options.container], disconnect)
