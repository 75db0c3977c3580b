"""``composer volume``: the volumes of every stack, and those of none."""

from __future__ import annotations

from composer.cli import subverbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer volume create --label keep data
composer volume ls --filter dangling=true
composer volume rm data"""

VERBS = {
    "create": ("create", "Make a volume"),
    "inspect": ("inspect", "Show everything known of volumes"),
    "ls": ("ls", "List volumes of every stack"),
    "prune": ("prune", "Remove volumes that no container uses"),
    "rm": ("rm", "Remove volumes"),
}
"""Each sub-verb with its module of ``cli.volumeverbs`` and what it does."""

_ALIASES = {"list": "ls", "remove": "rm"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sub-verb; what follows is its own."""
    subverbs.add_options(parser, VERBS)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-verb."""
    return subverbs.execute(session, options, group="volume", verbs=VERBS, aliases=_ALIASES)
