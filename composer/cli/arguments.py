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
        "--parallel",
    }
)


_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Told its width: argparse would import shutil (7 ms) to find it, even when no help is shown."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=_terminal_width())


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError`` instead of ending the process."""

    def __init__(self, *, prog: str, description: str, examples: str = "", conflicts: str = "error") -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{_indented(examples)}" if examples else None,
            formatter_class=_Help,
            allow_abbrev=False,
            conflict_handler=conflicts,
        )

    def parse_known_args(  # type: ignore[override]
        self, args: list[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse, but a flag may say its value (``--orphans=false``), as Docker's flags may."""
        words, denied = self._flags_settled(sys.argv[1:] if args is None else args)
        parsed, rest = super().parse_known_args(words, namespace)
        for destination in denied:
            setattr(parsed, destination, False)
        return parsed, rest

    def _flags_settled(self, words: list[str]) -> tuple[list[str], list[str]]:
        """The words without values of flags, and the flags that are false; a command's own are left."""
        settled: list[str] = []
        denied: list[str] = []
        position = 0
        while position < len(words):
            word = words[position]
            if word == "--" or (self.takes_a_command and not (word.startswith("-") and word != "-")):
                break
            name, has_value, value = word.partition("=")
            action = self._option_string_actions.get(name)
            settled.append(word)
            if action is not None and action.nargs is None and not has_value:
                settled += words[position + 1 : position + 2]
                position += 1
            elif action is not None and action.nargs == 0 and value.lower() in _BOOLEANS:
                settled.pop()
                if _BOOLEANS[value.lower()]:
                    settled.append(name)
                else:
                    denied.append(action.dest)
            position += 1
        return settled + words[position:], denied

    def read(self, words: list[str]) -> argparse.Namespace:
        """Parse; options may stand after what they are about, as in ``logs web -f``."""
        options, rest = self.parse_known_args(words)
        if not rest:
            return options
        if self.takes_a_command or rest[0].startswith("-"):
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return self.parse_intermixed_args(words)

    @property
    def takes_a_command(self) -> bool:
        """Whether everything after a certain word is not ours to read."""
        return any(action.nargs == argparse.REMAINDER for action in self._get_positional_actions())

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong; an unknown option comes with the one that was meant."""
        hint = f"See `{self.prog} --help`."
        _, is_unknown, words = message.partition("unrecognized arguments: ")
        option = words.split(" ")[0].partition("=")[0]
        if is_unknown and option.startswith("-"):
            import difflib

            message = f"unknown option {option}"
            near = difflib.get_close_matches(option, self._option_string_actions, n=1)
            hint = f"Did you mean {near[0]}?" if near else hint
        raise errors.UsageError(message, hint=hint)


class WithoutEffect(argparse.Action):
    """An option that Docker Compose has and that can change nothing here: accepted, and said so.

    ``why`` completes the sentence "``--option`` has no effect: ...".
    """

    def __init__(
        self, option_strings: list[str], dest: str, *, why: str, takes_value: bool = False, **_: object
    ) -> None:
        nargs = None if takes_value else 0
        super().__init__(option_strings, dest, nargs=nargs, default=False, help=f"accepted: {why}")
        self._why = why

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        _values: object,
        option_string: str | None = None,
    ) -> None:
        """Remember what is to be said."""
        said = getattr(namespace, "without_effect", [])
        namespace.without_effect = [*said, f"{option_string} has no effect: {self._why}"]


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
    limit = os.environ.get("COMPOSE_PARALLEL_LIMIT", "")
    add(
        "--parallel",
        type=int,
        default=int(limit) if limit.lstrip("-").isdecimal() else -1,
        metavar="N",
        help="at most so many steps at once; -1 is no limit",
    )
    add("--dry-run", action="store_true", help="show what would be done; change nothing")
    add(
        "--all-resources",
        action=WithoutEffect,
        why="networks and volumes are made when a service uses them",
    )
    add("--verbose", action="store_true", help="also show when steps begin, and why")
    add(
        "--compatibility",
        action=WithoutEffect,
        why="names keep their hyphens, as with Docker Compose v2",
    )
    add("-v", "--version", action="store_true", help="show the version")
    return parser


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """``--dry-run`` after the verb means the same as before it."""
    parser.add_argument("--dry-run", action="store_true", help="show what would be done; change nothing")


def add_index(parser: argparse.ArgumentParser) -> None:
    """``--index``: which container of a service that has several."""
    parser.add_argument("--index", type=int, default=0, metavar="N", help="which container of the service")


def add_format(parser: argparse.ArgumentParser, *, default: str = "table") -> None:
    """``--format``: ``table``, ``json``, ``table TEMPLATE`` or a Go template (``cli.template``)."""
    parser.add_argument(
        "--format", default=default, metavar="FORMAT", help="table, json, or a template: '{{.Name}}'"
    )


def add_services(parser: argparse.ArgumentParser) -> None:
    """``SERVICE ...``: none means all."""
    parser.add_argument("services", nargs="*", metavar="SERVICE", help="only these services")


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """``-t``: whole seconds between the stop signal and the kill."""
    parser.add_argument(
        "-t", "--timeout", type=_seconds, metavar="SECONDS", help="grace before a container is killed"
    )


def add_period(parser: argparse.ArgumentParser) -> None:
    """``--since`` and ``--until``."""
    for flag, what in (("--since", "from then on"), ("--until", "up to then")):
        text = f"only what is {what}: 42m (ago), 2026-01-31T12:00:00, or Unix seconds"
        parser.add_argument(flag, default="", metavar="TIME", help=text)


def period(options: argparse.Namespace) -> tuple[float, float]:
    """The Unix times of ``--since`` and ``--until``; 0 and infinity without them.  Raises ``UsageError``."""
    return moment("--since", options.since) or 0.0, moment("--until", options.until) or float("inf")


def moment(flag: str, text: str) -> float | None:
    """A point in time as Docker reads it; ``None`` for no text."""
    if not text:
        return None
    import time

    from composer.model import moment as moments

    try:
        return moments.parse(text, time.time())
    except ValueError as error:
        message = f"{flag}: {text!r} is no point in time"
        raise errors.UsageError(message, hint="Write 42m, 2026-01-31T12:00:00, or Unix seconds.") from error


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
    add("-T", "--no-tty", "--no-TTY", action="store_true", help="no terminal, even when this is one")
    add("-i", "--interactive", action="store_true", default=True, help="pass input on: the default")
    add("-t", "--tty", action="store_true", default=True, help="a terminal, if this is one: the default")


def add_detach_keys(parser: argparse.ArgumentParser) -> None:
    """``--detach-keys``."""
    parser.add_argument(
        "--detach-keys", metavar="KEYS", help="what leaves the session: ctrl-p,ctrl-q unless told otherwise"
    )


def add_command(parser: argparse.ArgumentParser) -> None:
    """``SERVICE COMMAND ARGS...``: everything after the service is the command's."""
    parser.add_argument("service", metavar="SERVICE", help="the service")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run")


def add_reconciliation(parser: argparse.ArgumentParser) -> None:
    """What ``up``, ``create`` and ``plan`` may be asked for."""
    add = parser.add_argument
    building = parser.add_mutually_exclusive_group()
    building.add_argument("--build", action="store_true", help="build images first, also when they exist")
    building.add_argument("--no-build", action="store_true", help="fail where an image is missing")
    add("--force-recreate", action="store_true", help="make containers again even if nothing changed")
    add("--no-recreate", action="store_true", help="keep containers that exist, whatever changed")
    add(
        "--always-recreate-deps",
        action="store_true",
        help="make containers that the named services need again, too",
    )
    add("--no-deps", action="store_true", help="leave the services that these need alone")
    add("--remove-orphans", action="store_true", help="remove containers of services not in the file")
    add_scale(parser)


def add_scale(parser: argparse.ArgumentParser) -> None:
    """``--scale``."""
    parser.add_argument(
        "--scale",
        action="append",
        default=[],
        type=replicas,
        metavar="SERVICE=N",
        help="how many containers of a service",
    )


def add_pulling(parser: argparse.ArgumentParser) -> None:
    """When images are fetched."""
    add = parser.add_argument
    add(
        "--pull",
        choices=("always", "missing", "never", "build", "policy"),
        metavar="WHEN",
        help="fetch images: always, missing, never, or as the file says (policy)",
    )
    add("--quiet-pull", action="store_true", help="no progress of pulls")


def add_yes(parser: argparse.ArgumentParser) -> None:
    """``-y``: composer asks nothing here."""
    parser.add_argument("-y", "--yes", action=WithoutEffect, why="nothing is asked")


def check_reconciliation(options: argparse.Namespace) -> None:
    """Raise ``UsageError`` for what excludes each other, as Docker Compose words it."""
    if options.no_recreate and options.force_recreate:
        raise errors.UsageError("--force-recreate and --no-recreate are incompatible")
    if options.no_recreate and options.always_recreate_deps:
        raise errors.UsageError("--always-recreate-deps and --no-recreate are incompatible")


def is_set(name: str) -> bool:
    """Whether an environment variable says yes, as Go's ``strconv.ParseBool`` reads it."""
    return os.environ.get(name, "") in {"1", "t", "T", "TRUE", "true", "True"}


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


def variables_in(files: list[str]) -> dict[str, str]:
    """The variables of files as ``env_file`` reads them; raises ``UsageError`` or ``StackFileError``."""
    values: dict[str, str] = {}
    for name in files:
        from composer.stackfile import dotenv

        try:
            with open(name, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            message = f"cannot read {name}: {error}"
            raise errors.UsageError(message) from error
        found = dotenv.parse(text, name, os.environ.get)
        values.update({key: value for key, value in found.items() if value is not None})
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


def replicas(text: str) -> tuple[str, int]:
    """``SERVICE=N``."""
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
