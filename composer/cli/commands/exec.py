"""``composer exec``: a further process in a running container, on this terminal or these pipes."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, containers, interactive

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer exec web sh
composer exec -T db pg_dump guestbook > dump.sql
cat dump.sql | composer exec -T db psql guestbook"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``exec``."""
    arguments.add_process(parser)
    parser.add_argument("--privileged", action="store_true", help="with every capability")
    arguments.add_detach_keys(parser)
    arguments.add_index(parser)
    arguments.add_command(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the process; the exit code is its own."""
    command = arguments.command_of(options.command)
    if not command:
        raise errors.UsageError("exec needs a command", hint="As in `composer exec web sh`.")
    interactive.keys_of(options.detach_keys)
    row = containers.running_container(session.rows(), options.service, options.index)

    from composer.model.protocols import ExecRequest

    wanted = ExecRequest(
        argv=tuple(command),
        environment=arguments.key_values(options.env),
        user=options.user,
        working_dir=options.workdir,
        tty=interactive.is_at_terminal() and not (options.no_tty or options.detach),
        is_privileged=options.privileged,
    )
    return interactive.execute(
        session, str(row["ID"]), wanted, detach=options.detach, detach_keys=options.detach_keys
    )
