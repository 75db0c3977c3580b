"""``composer attach``: the terminal or the streams of a service's first process become ours."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, containers, interactive

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer attach web
composer attach --no-stdin --sig-proxy=false web
composer attach --detach-keys ctrl-x,x shell"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``attach``."""
    add_session_options(parser)
    arguments.add_index(parser)
    parser.add_argument("service", metavar="SERVICE", help="the service")


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """What attaching has to do with a container, however it is named."""
    arguments.add_detach_keys(parser)
    add = parser.add_argument
    add("--no-stdin", action="store_true", help="pass no input on")
    add(
        "--sig-proxy",
        action="store_true",
        default=True,
        help="pass signals on where the container has no terminal: the default; --sig-proxy=false does not",
    )


def execute(session: Session, options: argparse.Namespace) -> int:
    """Attach until the container ends or the detach keys are pressed; the exit code is the container's."""
    interactive.keys_of(options.detach_keys)
    row = containers.running_container(session.rows(), options.service, options.index)
    return attached_to(session, str(row["ID"]), options)


def attached_to(session: Session, container_id: str, options: argparse.Namespace) -> int:
    """Attach to a running container of the session's stack."""
    connection = session.connect_or_adopt()
    if connection is None:
        raise errors.OperationFailed(f"the stack {session.stack_name()} is not up")
    with connection:
        return attached_through(session, connection, container_id, options)


def attached_through(
    session: Session, connection: Connection, container_id: str, options: argparse.Namespace
) -> int:
    """Attach to a running container of the stack that ``connection`` leads to."""
    found = connection.call("attach", {"id": container_id})
    takes_input = bool(found.get("stdin")) and not options.no_stdin
    code = interactive.attached(
        session,
        connection,
        container_id,
        socket=str(found["socket"]),
        streams=interactive.streams(takes_input=takes_input),
        tty=bool(found.get("tty")),
        proxies_signals=options.sig_proxy,
        detach_keys=options.detach_keys,
    )
    return interactive.left(session) if code is None else code
