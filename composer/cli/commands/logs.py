"""``composer logs``: what containers wrote."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, containers, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.logview import LogView, Style
    from composer.cli.session import Session

EXAMPLES = """composer logs
composer logs -f --tail 20 web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``logs``."""
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="go on until the containers end")
    add("-n", "--tail", default="all", metavar="LINES", help="only the last lines of each container")
    add("-t", "--timestamps", action="store_true", help="show when each line was written")
    arguments.add_log_style(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show the logs."""
    from composer.cli import logview

    tail = lines_of(options.tail)
    rows = session.rows()
    containers.check_services(rows, options.services)
    style = style_of(session, options)
    view = logview.LogView(session.out, style, session.paths.data, services=options.services)
    view.adopt(rows, tail=tail)
    if options.follow:
        _follow(session, view, options.services)
    else:
        view.drain()
        view.finish()
    return 0


def _follow(session: Session, view: LogView, services: list[str]) -> None:
    from composer.cli import following

    feed = following.Feed(session.connect)
    follower = following.Follower(view, feed, session.rows, services=services)
    follower.begin()
    follower.follow(lambda _events: False)


def style_of(session: Session, options: argparse.Namespace) -> Style:
    """How lines look, from the options and the terminal."""
    from composer.cli import logview

    return logview.Style(
        has_prefix=not options.no_log_prefix,
        has_colour=not options.no_color and terminal.uses_colour(session.out, session.root.ansi),
        has_time=options.timestamps,
        is_escaped=terminal.is_terminal(session.out),
    )


def lines_of(text: str) -> int | None:
    """How many lines ``--tail`` asks for; ``None`` is all of them, as is a negative number."""
    if text == "all":
        return None
    try:
        count = int(text)
    except ValueError:
        message = f"--tail takes a number or all, not {text!r}"
        raise errors.UsageError(message) from None
    return count if count >= 0 else None
