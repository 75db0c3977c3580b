"""``container start|stop|restart|kill``."""

from __future__ import annotations

from composer.cli import hand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = {
    "start": "composer container start web",
    "stop": "composer container stop -t 30 web db",
    "restart": "composer container restart web",
    "kill": "composer container kill -s HUP web",
}


def add_options(parser: argparse.ArgumentParser, verb: str) -> None:
    """The options of one of the verbs."""
    add = parser.add_argument
    if verb in ("stop", "restart"):
        add(
            "-t",
            "--timeout",
            "--time",
            type=int,
            metavar="SECONDS",
            help="grace before a container is killed; -1 waits for ever",
        )
    if verb != "start":
        default = "SIGKILL" if verb == "kill" else None
        add("-s", "--signal", default=default, metavar="SIGNAL", help="name or number of the signal")
    add("containers", nargs="+", metavar="CONTAINER", help="name, id or beginning of an id")


def execute(session: Session, options: argparse.Namespace, verb: str) -> int:
    """Ask for each container; what was asked for is printed when it is done."""
    arguments: Json = {name: getattr(options, name, None) for name in ("timeout", "signal")}
    return hand.ask_each(session, options.containers, f"container_{verb}", arguments)
