"""``composer port``: the host's address and port that a port of a container is published at."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer port web 80
composer port --index 2 --protocol udp dns 53"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``port``."""
    parser.add_argument("--protocol", default="tcp", choices=("tcp", "udp", "sctp"), help="tcp, udp or sctp")
    arguments.add_index(parser)
    parser.add_argument("service", metavar="SERVICE", help="the service")
    parser.add_argument("port", metavar="PRIVATE_PORT", help="the port in the container")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Print ``ADDRESS:PORT``, one line for each."""
    number, _, protocol = options.port.partition("/")
    if not number.isdecimal():
        message = f"{options.port!r} is not a port"
        raise errors.UsageError(message, hint="As in `composer port web 80`.")
    row = containers.running_container(session.rows(), options.service, options.index)
    found = containers.published(row, int(number), protocol or options.protocol)
    if not found:
        message = f"port {number}/{protocol or options.protocol} of {row['Name']} is not published"
        ports = containers.ports_text(row.get("Publishers"))
        raise errors.OperationFailed(message, hint=f"Published are: {ports or 'none'}.")
    for address in found:
        session.say(address)
    return 0
