"""``composer scale``: how many containers services have, until the next ``up`` says otherwise."""

from __future__ import annotations

from composer.cli import arguments, bringup, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer scale web=3
composer scale --no-deps web=2 worker=0"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``scale``."""
    parser.add_argument("--no-deps", action="store_true", help="leave the services that these need alone")
    parser.add_argument(
        "scale", nargs="+", type=arguments.replicas, metavar="SERVICE=N", help="how many containers"
    )


def execute(session: Session, options: argparse.Namespace) -> int:
    """Start or remove containers; the others stay as they are."""
    wanted = {
        "source": session.source(),
        "services": [service for service, _ in options.scale],
        "scale": dict(options.scale),
        "no_deps": options.no_deps,
        "ignore_orphans": True,
        "parallel": session.root.parallel,
    }
    answer = bringup.perform(session, wanted)
    if answer is not None and not answer.get("changed"):
        request.say_nothing_to_do(session)
    return 0
