"""Options: one function per group that several verbs share, and the parser that raises our errors.

The command line is cut in two by hand, root options before the verb and the rest after it, so that
only one verb's options are ever built and ``-f`` may mean ``--file`` before the verb and
``--follow`` after it, as with Docker Compose.
"""

from __future__ import annotations

import argparse
import os
import sys

from composer import errors
from composer.cli.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PROGRESS_MODES = ("auto", "tty", "plain", "json", "quiet")
ANSI_MODES = ("never", "always", "auto")

_WITH_VALUE = frozenset(
    {
        "-f",
        "--file",
        "-p",
        "--project-name",
        "--project-directory",
        "--profile",
        "--env-file",
        "--progress",
        "--ansi",
    }
)


class _Help(argparse.RawDescriptionHelpFormatter):
    """Told its width: argparse would import shutil (7 ms) to find it, even when no help is shown."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=_terminal_width())


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError`` instead of ending the process."""

    def __init__(self, *, prog: str, description: str, examples: str = "") -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{_indented(examples)}" if examples else None,
            formatter_class=_Help,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise errors.UsageError(message, hint=f"See `{self.prog} --help`.")


def split(argv: list[str]) -> tuple[list[str], str, list[str]]:
    """Cut a command line into root options, the verb ("" when there is none) and the rest."""
    position = 0
    while position < len(argv):
        word = argv[position]
        if not word.startswith("-") or word == "-":
            return argv[:position], word, argv[position + 1 :]
        position += 2 if word in _WITH_VALUE else 1
    return argv, "", []


def root_parser() -> Parser:
    """The options that come before the verb."""
    width = max(map(len, VERBS))
    listing = "\n".join(f"  {name.ljust(width)}  {text}" for name, text in VERBS.items())
    parser = Parser(
        prog="composer",
        description=f"Compose stacks without Docker.\n\nverbs:\n{listing}",
        examples="composer up -d\ncomposer -f dev.yaml -p demo ps",
    )
    parser.usage = "composer [options] VERB [options] ..."
    add = parser.add_argument
    add(
        "-f",
        "--file",
        dest="files",
        action="append",
        default=[],
        metavar="FILE",
        help="stack file, - for stdin",
    )
    add("-p", "--project-name", metavar="NAME", help="name of the stack")
    add("--project-directory", metavar="DIR", help="directory that relative paths start from")
    add("--profile", dest="profiles", action="append", default=[], metavar="NAME", help="activate a profile")
    add("--env-file", dest="env_files", action="append", default=[], metavar="FILE", help="instead of .env")
    progress = os.environ.get("COMPOSE_PROGRESS", "")
    add(
        "--progress",
        choices=PROGRESS_MODES,
        default=progress if progress in PROGRESS_MODES else "auto",
        help="how progress is shown",
    )
    ansi = os.environ.get("COMPOSE_ANSI", "")
    add(
        "--ansi",
        choices=ANSI_MODES,
        default=ansi if ansi in ANSI_MODES else "auto",
        help="when to use colours and cursor movement",
    )
    add("-v", "--version", action="store_true", help="show the version")
    return parser


def add_services(parser: argparse.ArgumentParser) -> None:
    """``SERVICE ...``: none means all."""
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="only these services")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """``-t``: whole seconds between the stop signal and the kill."""
    parser.add_argument(
        "-t", "--timeout", type=_seconds, metavar="SECONDS", help="grace before a container is killed"
    )


def add_log_style(parser: argparse.ArgumentParser) -> None:
    """How lines of container output are shown."""
    parser.add_argument("--no-color", action="store_true", help="no colours")
    parser.add_argument("--no-log-prefix", action="store_true", help="no container name before lines")


def add_process(parser: argparse.ArgumentParser) -> None:
    """What ``exec`` and ``run`` say about the process."""
    add = parser.add_argument
    add("-d", "--detach", action="store_true", help="do not wait for it")
    add("-e", "--env", action="append", default=[], metavar="KEY=VALUE", help="set a variable")
    add("-u", "--user", metavar="USER", help="user or uid, with :group")
    add("-w", "--workdir", metavar="DIR", help="working directory in the container")
    add("-T", "--no-tty", action="store_true", help="no terminal, even when this is one")
    add("-i", "--interactive", action="store_true", help=argparse.SUPPRESS)
    add("-t", "--tty", action="store_true", help=argparse.SUPPRESS)


def add_command(parser: argparse.ArgumentParser) -> None:
    """``SERVICE COMMAND ARGS...``: everything after the service is the command's."""
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def add_reconciliation(parser: argparse.ArgumentParser) -> None:
    """What ``up`` and ``plan`` may be asked for."""
    add = parser.add_argument
    add("--build", action="store_true", help="build images first, also when they exist")
    add("--force-recreate", action="store_true", help="make containers again even if nothing changed")
    add("--no-deps", action="store_true", help="leave the services that these need alone")
    add("--remove-orphans", action="store_true", help="remove containers of services not in the file")
    add(
        "--scale",
        action="append",
        default=[],
        type=_replicas,
        metavar="SERVICE=N",
        help="how many containers of a service",
    )


def key_values(pairs: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` options as a mapping; a bare ``KEY`` takes our own environment's value."""
    values = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not name:
            message = f"invalid variable {pair!r}"
            raise errors.UsageError(message, hint="Write KEY=VALUE, or KEY to pass on your own.")
        if separator:
            values[name] = value
        elif name in os.environ:
            values[name] = os.environ[name]
    return values


def command_of(words: list[str]) -> list[str]:
    """The command after the service's name, without the ``--`` that may separate them."""
    return words[1:] if words[:1] == ["--"] else words


def _seconds(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


_seconds.__name__ = "number of seconds"


def _replicas(text: str) -> tuple[str, int]:
    service, _, count = text.partition("=")
    if not service or not count.isdecimal():
        message = f"{text!r} is not SERVICE=NUMBER"
        raise argparse.ArgumentTypeError(message)
    return service, int(count)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _terminal_width() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns - 2
    except (OSError, ValueError):
        return 98
