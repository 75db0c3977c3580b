"""``composer run``: a one-off command in a new container of a service, joined to this terminal."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, interactive, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session
    from composer.supervisor.client import Connection

EXAMPLES = """composer run --rm web python3 manage.py shell
composer run --rm -T --no-deps -e DEBUG=1 web env
composer run --rm -v ./fixtures:/fixtures:ro -p 8000:80 web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    add = parser.add_argument
    add("--rm", action="store_true", help="remove the container when it ended")
    add("--name", metavar="NAME", help="name of the container")
    add("--entrypoint", metavar="COMMAND", help="instead of the image's entrypoint")
    add("--env-from-file", action="append", default=[], metavar="FILE", help="variables of a file")
    add("-l", "--label", action="append", default=[], metavar="KEY=VALUE", help="add a label")
    add("-p", "--publish", action="append", default=[], metavar="PORT", help="publish a port: 8080:80")
    add("-P", "--service-ports", action="store_true", help="publish the ports of the service")
    add("-v", "--volume", action="append", default=[], metavar="MOUNT", help="mount more: ./here:/there:ro")
    add("--use-aliases", action="store_true", help="answer to the names of the service")
    add("--cap-add", action="append", default=[], metavar="CAP", help="add a capability")
    add("--cap-drop", action="append", default=[], metavar="CAP", help="drop a capability")
    add("--no-deps", action="store_true", help="do not start what the service needs")
    add("--build", action="store_true", help="build the image first, also when it exists")
    add("--remove-orphans", action="store_true", help="remove containers of services not in the file")
    add("-q", "--quiet", action="store_true", help="no progress")
    add("--quiet-build", action="store_true", help="no output of builds")
    arguments.add_pulling(parser)
    arguments.add_process(parser)
    arguments.add_detach_keys(parser)
    arguments.add_command(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the command; returns its exit code."""
    tty = interactive.is_at_terminal() and not (options.no_tty or options.detach)
    if options.quiet:
        session.root.progress = "quiet"
    wanted = request_of(session, options, tty=tty)
    with session.connect_for_up([options.service]) as connection:
        try:
            made = request.perform(
                session,
                connection,
                "run",
                wanted,
                untold=request.untold(quiet_pull=options.quiet_pull, quiet_build=options.quiet_build),
            )
        except errors.RuntimeFailure as error:
            return interactive.not_run(session, error)
        identity = str(made["id"])
        if options.detach:
            connection.call("run_start", {"id": identity})
            session.say(str(made["name"]))
            return 0
        is_left = False
        try:
            code = _attached(session, connection, made, options, tty=tty)
            is_left = code is None
        finally:
            if options.rm and not is_left:
                connection.call("remove_one_off", {"id": identity})
    return interactive.left(session) if code is None else code


def request_of(session: Session, options: argparse.Namespace, *, tty: bool) -> Json:
    """The arguments of the request."""
    command = arguments.command_of(options.command)
    environment = {**arguments.variables_in(options.env_from_file), **arguments.key_values(options.env)}
    return {
        "source": session.source(),
        "service": options.service,
        "command": command or None,
        "entrypoint": words_of(options.entrypoint),
        "environment": environment,
        "labels": dict(label.partition("=")[::2] for label in options.label),
        "user": options.user,
        "working_dir": options.workdir,
        "publish": options.publish,
        "service_ports": options.service_ports,
        "volumes": options.volume,
        "use_aliases": options.use_aliases,
        "cap_add": options.cap_add,
        "cap_drop": options.cap_drop,
        "no_deps": options.no_deps,
        "remove_orphans": options.remove_orphans,
        "tty": tty,
        "stdin": options.interactive and not options.detach,
        "name": options.name,
        # Attached, we remove it ourselves, once its exit code is known.
        "remove": options.rm and options.detach,
        "build": options.build,
        "pull": options.pull,
    }


def words_of(text: str | None) -> list[str] | None:
    """``--entrypoint`` as words; quotes group as in a shell, nothing is expanded."""
    if text is None:
        return None
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        message = f"--entrypoint {text!r}: {error}"
        raise errors.UsageError(message) from error


def _attached(
    session: Session, connection: Connection, made: Json, options: argparse.Namespace, *, tty: bool
) -> int | None:
    """Attach first, then start, so that not a byte is missed; then ask how it ended."""
    identity = str(made["id"])

    def start() -> None:
        connection.call("run_start", {"id": identity})

    return interactive.attached(
        session,
        connection,
        identity,
        socket=str(made["socket"]),
        streams=interactive.streams(takes_input=options.interactive),
        tty=tty,
        detach_keys=options.detach_keys,
        on_ready=start,
    )
