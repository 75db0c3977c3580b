"""One command under test: a session that talks to a scripted supervisor and writes into strings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from composer.cli import arguments
from composer.cli.session import Session

if TYPE_CHECKING:
    from tests.fakes.supervisor import FakeConnection


class Stage:
    """One command under test: its session, its two streams."""

    def __init__(self, connection: FakeConnection | None, root: list[str]) -> None:
        self.out = io.StringIO()
        self.err = io.StringIO()
        self.connection = connection
        self.session = Session(
            arguments.root_parser().parse_args(root),
            out=self.out,
            err=self.err,
            open_connection=lambda _run, _stack, _reopen: connection,  # type: ignore[arg-type, return-value]
        )

    def run(self, command: object, argv: list[str]) -> int:
        """Parse and execute as ``cli.main`` does."""
        parser = arguments.Parser(prog="composer test", description="")
        command.add_options(parser)  # type: ignore[attr-defined]
        code: int = command.execute(self.session, parser.parse_args(argv))  # type: ignore[attr-defined]
        return code
