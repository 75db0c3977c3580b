"""``composer wait``: until containers end; the exit code is theirs."""

from __future__ import annotations

from composer import errors
from composer.cli import containers, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.containers import Row
    from composer.cli.session import Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer wait tests
composer wait --down-project tests; echo $?"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``wait``."""
    parser.add_argument(
        "--down-project", action="store_true", help="take the stack down when the first container ends"
    )
    parser.add_argument("services", nargs="+", metavar="SERVICE", help="the services")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Wait for all of them, or for the first with ``--down-project``."""
    rows = session.rows()
    containers.check_services(rows, options.services)
    awaited = [row for row in rows if row["Service"] in options.services and not row.get("OneOff")]
    connection = session.connect_or_adopt()
    if connection is None:
        raise errors.OperationFailed(f"the stack {session.stack_name()} is not up")
    with connection:
        code = (
            _first(session, connection, awaited)
            if options.down_project
            else _all(session, connection, awaited)
        )
        if options.down_project:
            request.perform(session, connection, "down", {"source": session.source()})
    return code


def _first(session: Session, connection: Connection, rows: list[Row]) -> int:
    answer = connection.call("wait_any", {"ids": [row["ID"] for row in rows]})
    code = answer.get("exit_code")
    assert isinstance(code, int)
    _say(session, str(answer["id"]), code)
    return code


def _all(session: Session, connection: Connection, rows: list[Row]) -> int:
    """The exit code is that of the last container named that failed, 0 when none did."""
    codes = connection.call("wait", {"ids": [row["ID"] for row in rows]}).get("exit_codes")
    assert isinstance(codes, dict)
    for identity, code in codes.items():
        _say(session, identity, code)
    return next((code for code in reversed(codes.values()) if code), 0)


def _say(session: Session, identity: str, code: int) -> None:
    session.say(f'container "{identity}" exited with status code {code}')
