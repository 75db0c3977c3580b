"""``container cp``: files and trees between a container, running or not, and this host."""

from __future__ import annotations

from composer.cli import copying, hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container cp web:/etc/nginx/nginx.conf .
composer container cp -a ./site/. web:/usr/share/nginx/html
tar c src | composer container cp - web:/work"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container cp``."""
    copying.add_options(parser, "CONTAINER")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Copy."""

    def copy(_source: str) -> None:
        whose, _ = copying.direction(options)
        copying.copy(session, hand.find(session, whose), options, whose)

    return hand.each(session, [options.source], copy)
