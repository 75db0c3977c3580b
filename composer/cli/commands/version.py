"""``composer version``."""

from __future__ import annotations

import json

import composer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer version --short
composer version -f json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``version``."""
    parser.add_argument("-f", "--format", choices=("pretty", "json"), default="pretty", help="how to show it")
    parser.add_argument("--short", action="store_true", help="only the number")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Say the version."""
    if options.short:
        session.say(composer.__version__)
    elif options.format == "json":
        session.say(json.dumps({"version": composer.__version__}))
    else:
        session.say(f"composer version {composer.__version__}")
    return 0
