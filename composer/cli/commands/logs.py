"""``composer logs``: what containers wrote."""

from __future__ import annotations

import sys

from composer import errors
from composer.cli import arguments, containers, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.logview import LogView, Style
    from composer.cli.session import Session

EXAMPLES = """composer logs
composer logs -f --tail 20 web
composer logs --since 10m --until 2026-01-31T12:00:00 -t web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``logs``."""
    add = parser.add_argument
    add("-f", "--follow", action="store_true", help="go on until the containers end")
    add("-n", "--tail", default="all", metavar="LINES", help="only the last lines of each container")
    add("-t", "--timestamps", action="store_true", help="show when each line was written")
    arguments.add_period(parser)
    arguments.add_index(parser)
    arguments.add_log_style(parser)
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show the logs."""
    from composer.cli import logview

    tail = lines_of(options.tail)
    since, until = arguments.period(options)
    rows = session.rows()
    containers.check_services(rows, options.services)
    view = logview.LogView(
        session.out,
        style_of(session, options),
        session.paths.data,
        services=options.services,
        index=options.index,
        rings=options.follow,
    )
    view.adopt(rows, tail=tail)
    if options.follow:
        _follow(session, view, options.services, since, until)
    else:
        view.drain(since=since, until=until)
        view.finish()
    return 0


def _follow(session: Session, view: LogView, services: list[str], since: float, until: float) -> None:
    from composer.cli import following

    bell = following.Bell()
    feed = following.Feed(session.connect, bell)
    follower = following.Follower(view, feed, bell, session.rows, services=services, since=since, until=until)
    follower.begin()
    follower.follow(lambda _events: False)


def style_of(session: Session, options: argparse.Namespace) -> Style:
    """How lines look, from the options and the terminal; a pipe gets a container's bytes as they were."""
    from composer.cli import logview

    if session.out is sys.stdout:
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
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
