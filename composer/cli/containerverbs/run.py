"""``container run``: a container of the reserved stack ``default``, described by flags.

Exit codes are Docker's: the process's own; 125 when the container could not be made or started, 126
when its program cannot be run, 127 when there is none.
"""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, hand, interactive
from composer.cli.containerverbs import making

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer container run --rm -it debian:bookworm-slim bash
composer container run -d --name web -p 8080:80 --restart unless-stopped nginx
composer container run --rm -v "$PWD":/src:ro -w /src python:3 python3 check.py"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The flags of the container, and those of this command."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not wait for it")
    add("--sig-proxy", action="store_true", default=True, help="pass signals on (the default)")
    arguments.add_detach_keys(parser)
    making.add_options(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Make it, run it, and end as it does."""
    if options.detach and options.attach:
        session.note("error: --detach and --attach exclude each other")
        return hand.FAILED
    try:
        with session.connect_to(hand.DEFAULT_STACK) as connection:
            identity = making.made(session, connection, options)
            try:
                return _run(session, connection, identity, options)
            except errors.ComposerError:
                if options.rm:
                    connection.call("container_remove", {"id": identity, "force": True, "volumes": True})
                raise
    except errors.ComposerError as error:
        from composer.cli.main import show_error

        show_error(error, session.err)
        return exit_code_of(error)


def _run(session: Session, connection: Connection, identity: str, options: argparse.Namespace) -> int:
    if options.detach:
        connection.call("container_start", {"id": identity})
        session.say(identity)
        return 0
    wanted = frozenset(options.attach or making.STREAMS)
    return interactive.started(
        session,
        connection,
        identity,
        takes_input="stdin" in wanted,
        shows_output="stdout" in wanted,
        shows_errors="stderr" in wanted,
        proxies_signals=options.sig_proxy,
        detach_keys=options.detach_keys,
    )


def exit_code_of(error: errors.ComposerError) -> int:
    """125, but 127 when the program is not there and 126 when it is none."""
    from composer.runtime import execution

    is_of_runtime = isinstance(error, errors.RuntimeFailure)
    return (execution.code_for(error.message) if is_of_runtime else None) or hand.NOT_RUN
