"""``container exec``: a further process in a running container."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, hand, interactive, serviceflags

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container exec -it web sh
composer container exec -u postgres -e PGDATABASE=app db psql -c 'select 1'"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container exec``."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not wait for it")
    add("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="set a variable")
    add("--env-file", action="append", default=[], metavar="FILE", help="set variables from a file")
    add("-i", "--interactive", action="store_true", help="pass input on")
    add("-t", "--tty", action="store_true", help="give it a terminal")
    add("-u", "--user", metavar="USER", help="user or uid, with :group")
    add("-w", "--workdir", metavar="DIR", help="working directory in the container")
    add("--privileged", action="store_true", help="with every capability")
    arguments.add_detach_keys(parser)
    add("container", metavar="CONTAINER", help="name, id or beginning of an id")
    add("command", nargs="...", metavar="COMMAND", help="what to run")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the process; the exit code is its own."""
    command = arguments.command_of(options.command)
    if not command:
        raise errors.UsageError("exec needs a command", hint="As in `composer container exec -it web sh`.")
    interactive.keys_of(options.detach_keys)
    code = 0

    def run(word: str) -> None:
        nonlocal code
        is_taking = options.interactive and not options.detach
        if is_taking:
            interactive.refuse_without_terminal(tty=options.tty)
        record = hand.find(session, word)
        from composer.model.protocols import ExecRequest

        wanted = ExecRequest(
            argv=tuple(command),
            environment=serviceflags.variables(options.env_file, options.env),
            user=options.user,
            working_dir=options.workdir,
            tty=options.tty and not options.detach,
            is_privileged=options.privileged,
        )
        try:
            code = interactive.execute(
                session,
                record.id,
                wanted,
                detach=options.detach,
                takes_input=is_taking,
                detach_keys=options.detach_keys,
            )
        except errors.RuntimeFailure as error:
            code = interactive.not_run(session, error)

    return hand.each(session, [options.container], run) or code
