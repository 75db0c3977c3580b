"""``composer network create``."""

from __future__ import annotations

from composer import errors
from composer.cli import hand, serviceflags

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.model.container import NetworkSpec
    from composer.model.stack import Pool

EXAMPLES = """composer network create shared
composer network create --ipv6 --subnet 10.9.0.0/24 --subnet fd09::/64 --gateway 10.9.0.254 both
composer network create -d macvlan -o parent=eth0 --subnet 192.0.2.0/24 --ip-range 192.0.2.64/27 lan"""

_RESERVED = ("host", "none", "bridge", "default")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``network create``."""
    add = parser.add_argument
    add("-d", "--driver", default="bridge", metavar="NAME", help="bridge, macvlan or ipvlan")
    add("--subnet", action="append", default=[], metavar="SUBNET", help="one of each family at most")
    add("--gateway", action="append", default=[], metavar="ADDRESS", help="the host's address in its subnet")
    add("--ip-range", action="append", default=[], metavar="RANGE", help="what containers get addresses from")
    add(
        "--aux-address",
        action="append",
        default=[],
        metavar="NAME=ADDRESS",
        help="never given to a container",
    )
    add("--ipv4", default="true", choices=("true", "false"), help="IPv4 addresses (default: true)")
    add("--ipv6", action="store_true", help="IPv6 addresses, too")
    add("--internal", action="store_true", help="without a way in or out")
    add("--attachable", action="store_true", help="has no effect: every container may be connected")
    add("-o", "--opt", action="append", default=[], metavar="KEY=VALUE", help="an option of the driver")
    add("--label", action="append", default=[], metavar="KEY=VALUE", help="set a label")
    add("--ipam-driver", default="default", metavar="NAME", help="default is the one there is")
    add("--scope", default="local", choices=("local",), help="local is the one there is")
    add("name", metavar="NETWORK", help="name of the network")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it; prints its id."""

    def make(name: str) -> None:
        from composer.model import names

        spec = spec_of(options)
        drivers = session.drivers()
        if name in drivers.network.observe_all():
            message = f"a network {name} exists already"
            raise errors.ConflictError(message, hint=f"See `composer network inspect {name}`.")
        drivers.network.create(spec)
        session.say(names.network_id(name, drivers.paths.key))

    return hand.each(session, [options.name], make)


def spec_of(options: argparse.Namespace) -> NetworkSpec:
    """The network that the flags ask for; raises ``UsageError``."""
    from composer.model import driveroptions, names
    from composer.model.container import NetworkSpec

    if options.name in _RESERVED or not names.VOLUME_NAME.fullmatch(options.name):
        message = f"{options.name!r} cannot be the name of a network"
        hint = "Letters, digits, dots, dashes and underscores; two at least, the first a letter or digit."
        raise errors.UsageError(message, hint=hint)
    if options.driver not in driveroptions.DRIVERS:
        message = f"there is no network driver {options.driver!r}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(driveroptions.DRIVERS)}.")
    if options.ipam_driver != "default":
        message = f"there is no address manager {options.ipam_driver!r}"
        raise errors.UsageError(message, hint="default is the one there is.")
    given = dict(serviceflags.pair("--opt", text) for text in options.opt)
    try:
        driveroptions.check(options.driver, given)
    except ValueError as error:
        raise errors.UsageError(f"--opt: {error}") from error
    pools = pools_of(options)
    enable_ipv6 = options.ipv6 or any(":" in (pool.subnet or "") for pool in pools)
    if options.ipv4 == "false" and not enable_ipv6:
        raise errors.UsageError("a network without IPv4 needs --ipv6")
    return NetworkSpec(
        stack=names.DEFAULT_STACK,
        key="",
        name=options.name,
        internal=options.internal,
        driver=options.driver,
        driver_opts=given,
        pools=pools,
        enable_ipv4=options.ipv4 == "true",
        enable_ipv6=enable_ipv6,
        attachable=options.attachable,
        labels=dict(text.partition("=")[::2] for text in options.label),
    )


def pools_of(options: argparse.Namespace) -> tuple[Pool, ...]:
    """Each subnet with the gateway, range and reserved addresses that lie in it; raises ``UsageError``."""
    import ipaddress

    from composer.model.stack import Pool

    try:
        subnets = [ipaddress.ip_network(text) for text in options.subnet]
        gateways = [ipaddress.ip_address(text) for text in options.gateway]
        ranges = [ipaddress.ip_network(text) for text in options.ip_range]
        pairs = [serviceflags.pair("--aux-address", text) for text in options.aux_address]
        reserved = {name: ipaddress.ip_address(text) for name, text in pairs}
    except ValueError as error:
        raise errors.UsageError(str(error)) from error
    if len({subnet.version for subnet in subnets}) < len(subnets):
        raise errors.UsageError("a network has one subnet of each family at most")
    pools = []
    for subnet in subnets:
        mine = [gateway for gateway in gateways if gateway in subnet]
        parts = [
            part for part in ranges if part.network_address in subnet and part.broadcast_address in subnet
        ]
        if len(mine) > 1 or len(parts) > 1:
            message = f"subnet {subnet} has one --gateway and one --ip-range at most"
            raise errors.UsageError(message)
        own = {name: str(address) for name, address in reserved.items() if address in subnet}
        gateways = [gateway for gateway in gateways if gateway not in mine]
        ranges = [part for part in ranges if part not in parts]
        reserved = {name: address for name, address in reserved.items() if name not in own}
        pools.append(
            Pool(
                subnet=str(subnet),
                gateway=str(mine[0]) if mine else None,
                ip_range=str(parts[0]) if parts else None,
                aux_addresses=own,
            )
        )
    for left in (*gateways, *ranges, *reserved.values()):
        message = f"{left} is in no --subnet"
        raise errors.UsageError(message, hint="Give the subnet that it lies in.")
    return tuple(pools)
