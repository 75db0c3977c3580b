"""``composer system``: the host, and everything that composer keeps on it."""

from __future__ import annotations

from composer.cli import subverbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer system info
composer system check --repair
composer system df -v
composer system prune -a --volumes"""

VERBS = {
    "check": ("check", "Find what is damaged on disk, and repair it"),
    "df": ("df", "Show what takes how much room"),
    "info": ("info", "Describe this host"),
    "prune": ("prune", "Remove everything that nothing uses"),
}
"""Each sub-verb with its module of ``cli.systemverbs`` and what it does."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sub-verb; what follows is its own."""
    subverbs.add_options(parser, VERBS)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-verb."""
    return subverbs.execute(session, options, group="system", verbs=VERBS)
