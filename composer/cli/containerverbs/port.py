"""``container port``: where the ports of a container are published."""

from __future__ import annotations

from composer import errors
from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container port web
composer container port web 80/tcp"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container port``."""
    parser.add_argument("container", metavar="CONTAINER", help="name, id or beginning of an id")
    parser.add_argument("port", nargs="?", default="", metavar="PORT[/PROTOCOL]", help="only this one")


def execute(session: Session, options: argparse.Namespace) -> int:
    """``80/tcp -> 0.0.0.0:8080``, or the address alone where a port is named."""
    from composer.engine.inspection import Inspector

    def show(word: str) -> None:
        record = hand.find(session, word)
        document = Inspector(session.drivers()).inspect(record).document
        ports = document["NetworkSettings"]["Ports"]
        wanted = options.port if "/" in options.port or not options.port else f"{options.port}/tcp"
        if wanted and not ports.get(wanted):
            message = f"no public port {wanted} published for {word}"
            raise errors.OperationFailed(message)
        for port in [wanted] if wanted else sorted(ports):
            for binding in ports[port] or ():
                host = binding["HostIp"]
                address = (
                    f"[{host}]:{binding['HostPort']}" if ":" in host else f"{host}:{binding['HostPort']}"
                )
                session.say(address if wanted else f"{port} -> {address}")

    return hand.each(session, [options.container], show)
