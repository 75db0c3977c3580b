"""From arguments to an exit code: the only place that turns an error into text and a status.

Whatever goes wrong, the terminal never shows a traceback: our own errors are a sentence and a hint,
anything else is a bug, whose traceback goes to a file in ``<run>``.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys

from composer import errors
from composer.cli import arguments, dryrun
from composer.cli.session import Session
from composer.cli.verbs import VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""

COMPLETE = "__complete"
"""The verb that only shells use (``cli.completion``)."""

UNWRITABLE = 1
"""Standard output is full or gone."""

HUNG_UP = 129
"""128 + SIGHUP: the terminal is gone."""

BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read our output has seen enough."""


def run(argv: list[str]) -> int:
    """Run one command line, flush its output; returns the exit code."""
    try:
        code = _answer(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        return _unheard(BROKEN_PIPE)
    except OSError as error:
        if _has_hung_up():
            return _unheard(HUNG_UP)
        sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
        return UNWRITABLE
    return code


def _answer(argv: list[str]) -> int:
    """Run it and turn whatever goes wrong, output apart, into text and a code."""
    try:
        return _run(argv)
    except errors.ComposerError as error:
        show_error(error, sys.stderr)
        return error.exit_code
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        return HUNG_UP if _has_hung_up() else _report_bug(error, sys.stderr)
    except Exception as error:  # noqa: BLE001 -- the outermost frame: a bug must not print a traceback
        return _report_bug(error, sys.stderr)


def _unheard(code: int) -> int:
    """Where the interpreter ends by itself it flushes once more: give that somewhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _has_hung_up() -> bool:
    """Whether our output was a terminal that is gone (write(2), EIO)."""
    try:
        os.write(1, b"")
    except OSError as error:
        return error.errno == errno.EIO
    return False


def _run(argv: list[str]) -> int:
    before, verb, rest = arguments.split(argv)
    parser = arguments.root_parser()
    root = parser.parse_args(before)
    if root.version:
        verb = verb or "version"
    if not verb or verb == "help":
        if rest and rest[0] in VERBS:
            return _run([*before, rest[0], "--help"])
        parser.print_help()
        return 0 if verb else errors.UsageError.exit_code
    if verb == COMPLETE:
        return _complete(rest)
    if verb not in VERBS:
        raise _unknown(verb)
    command = importlib.import_module(f"composer.cli.commands.{verb}")
    verb_parser = arguments.Parser(
        prog=f"composer {verb}", description=f"{VERBS[verb]}.", examples=command.EXAMPLES
    )
    command.add_options(verb_parser)
    arguments.add_dry_run(verb_parser)
    options = verb_parser.read(rest)
    root.dry_run = root.dry_run or options.dry_run
    for said in (root, options):
        for sentence in getattr(said, "without_effect", ()):
            sys.stderr.write(f"note: {sentence}\n")
    dryrun.check(root, verb)
    try:
        code: int = command.execute(Session(root), options)
    except errors.ComposerError as error:
        exit_code: int | None = getattr(command, "ERROR_EXIT_CODE", None)
        if exit_code is None:
            raise
        show_error(error, sys.stderr)
        return exit_code
    return code


def _complete(words: list[str]) -> int:
    """What the scripts of ``composer completion`` ask: the words before the cursor, and the one at it."""
    from composer.cli import completion

    before, _, _ = arguments.split(words[:-1])
    try:
        session = Session(arguments.root_parser().parse_args(before))
        found = completion.candidates(words, completion.Known(session))
    except errors.ComposerError:
        found = []  # whoever is typing is told when the line is complete
    for word, text in found:
        sys.stdout.write(f"{word}\t{text}\n")
    return 0


def show_error(error: errors.ComposerError, stream: TextIO) -> None:
    """``error: ...`` and ``hint: ...``; a wrong file shows each problem at its line."""
    from composer.cli import terminal

    if isinstance(error, errors.StackFileError):
        from composer.stackfile import problems

        has_place = bool(error.problems and error.problems[0].place)
        text = terminal.harmless(problems.text_of(error)).rstrip("\n")
        stream.write(f"{text}\n" if has_place else f"error: {text}\n")
    else:
        if isinstance(error, errors.BuildError) and error.output:
            stream.write(terminal.harmless(error.output).rstrip("\n") + "\n")
        stream.write(f"error: {terminal.harmless(error.message)}\n")
    if error.hint:
        stream.write(f"hint: {terminal.harmless(error.hint)}\n")
    stream.flush()


def _unknown(verb: str) -> errors.UsageError:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"Did you mean `composer {near[0]}`?" if near else "See `composer --help`."
    return errors.UsageError(f"unknown command {verb!r}", hint=hint)


def _report_bug(error: Exception, stream: TextIO) -> int:
    """One line for the user, the traceback in a file for the report."""
    import tempfile
    import time
    import traceback

    from composer.host.paths import Paths

    text = "".join(traceback.format_exception(error))
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    where = ""
    try:
        directory = Paths.of_environment().run
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, where = tempfile.mkstemp(prefix=f"error-{stamp}-", suffix=".txt", dir=directory)
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError:
        where = ""
    kept = f"; please report it with {where}" if where else "; please report it"
    stream.write(f"internal error: {type(error).__name__}: {error}{kept}\n")
    return errors.InternalError.exit_code
