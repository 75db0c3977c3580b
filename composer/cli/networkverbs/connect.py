"""``composer network connect``: one more network for a container, at once if it runs."""

from __future__ import annotations

from composer import errors
from composer.cli import hand, serviceflags

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer network connect shared shop-web-1
composer network connect --alias db --ip 10.9.0.5 shared shop-db-1
composer network connect --gw-priority 1 uplink shop-web-1"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network connect``."""
    add = parser.add_argument
    add("--alias", action="append", default=[], metavar="NAME", help="a name for it on this network")
    add("--ip", metavar="ADDRESS", help="its IPv4 address")
    add("--ip6", metavar="ADDRESS", help="its IPv6 address")
    add("--link-local-ip", action="append", default=[], metavar="ADDRESS", help="a link-local address")
    add("--link", action="append", default=[], metavar="CONTAINER[:ALIAS]", help="a name that it alone sees")
    add("--gw-priority", type=int, default=0, metavar="NUMBER", help="the highest has the default route")
    add("--driver-opt", action="append", default=[], metavar="KEY=VALUE", help="an option of the attachment")
    add("network", metavar="NETWORK", help="name, id or beginning of an id")
    add("container", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Ask the container's supervisor to plug it in."""
    from composer.engine import networks

    def connect(word: str) -> None:
        record = hand.find(session, word)
        document = networks.meant(networks.documents(session.drivers()), options.network)
        hand.ask(
            session,
            record,
            "container_connect",
            {"network": document["Name"], "membership": membership_of(options)},
        )

    return hand.each(session, [options.container], connect)


def membership_of(options: argparse.Namespace) -> Json:
    """The attachment as ``model.container.NetworkMembership`` in JSON; raises ``UsageError``."""
    from composer.model import driveroptions

    given = dict(serviceflags.pair("--driver-opt", text) for text in options.driver_opt)
    try:
        driveroptions.endpoint_options(given)
    except ValueError as error:
        raise errors.UsageError(f"--driver-opt: {error}") from error
    links = {}
    for text in options.link:
        target, _, alias = text.partition(":")
        links[alias or target] = target
    return {
        "aliases": options.alias,
        "ipv4_address": options.ip,
        "ipv6_address": options.ip6,
        "link_local_ips": options.link_local_ip,
        "gw_priority": options.gw_priority,
        "driver_opts": given,
        "links": links,
    }
