"""``composer network``: the networks of every stack, and those of none."""

from __future__ import annotations

from composer.cli import subverbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer network create --subnet 10.9.0.0/24 --ipv6 shared
composer network connect --alias db shared shop-db-1
composer network ls --filter dangling=true
composer network rm shared"""

VERBS = {
    "connect": ("connect", "Put a container on a network"),
    "create": ("create", "Make a network that belongs to no stack"),
    "disconnect": ("disconnect", "Take a container off a network"),
    "inspect": ("inspect", "Show everything known of networks"),
    "ls": ("ls", "List networks of every stack"),
    "prune": ("prune", "Remove networks that no container uses"),
    "rm": ("rm", "Remove networks"),
}
"""Each sub-verb with its module of ``cli.networkverbs`` and what it does."""

_ALIASES = {"list": "ls", "remove": "rm"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sub-verb; what follows is its own."""
    subverbs.add_options(parser, VERBS)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-verb."""
    return subverbs.execute(session, options, group="network", verbs=VERBS, aliases=_ALIASES)
