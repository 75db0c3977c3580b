"""``composer container``: everything a hand can do to a container of any stack, or of none.

Each sub-verb is a module of ``cli.containerverbs``, imported when it is asked for.  Errors end with
Docker's exit codes: 1, but 125 where a container was to be run.
"""

from __future__ import annotations

import importlib

from composer import errors
from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container run --rm -it debian:bookworm-slim bash
composer container ls -a --filter status=exited
composer container inspect -f '{{.State.Status}}' web"""

VERBS = {
    "create": ("run", "Make a container from an image; nothing runs yet"),
    "inspect": ("inspect", "Show everything known of containers"),
    "kill": ("lifecycle", "Signal containers (SIGKILL unless told otherwise)"),
    "ls": ("ls", "List containers of every stack"),
    "ps": ("ls", "List containers of every stack"),
    "restart": ("lifecycle", "Stop and start containers"),
    "rm": ("rm", "Remove containers"),
    "run": ("run", "Run a program in a new container"),
    "start": ("lifecycle", "Start stopped containers"),
    "stop": ("lifecycle", "Stop containers, keeping them"),
}
"""Each sub-verb with its module and what it does."""

_ALIASES = {"list": "ls", "remove": "rm"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sub-verb; what follows is its own."""
    width = max(map(len, VERBS))
    listing = "\n".join(f"  {name.ljust(width)}  {text}" for name, (_, text) in VERBS.items())
    parser.description = f"Work with single containers.\n\ncommands:\n{listing}"
    parser.add_argument("verb", metavar="COMMAND")
    parser.add_argument("rest", nargs="...", metavar="...", help="see `composer container COMMAND --help`")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-verb."""
    verb = _ALIASES.get(options.verb, options.verb)
    if verb not in VERBS:
        raise _unknown(verb)
    name, text = VERBS[verb]
    module = importlib.import_module(f"composer.cli.containerverbs.{name}")
    parser = arguments.Parser(
        prog=f"composer container {verb}",
        description=f"{text}.",
        examples=module.EXAMPLES[verb],
        conflicts="resolve",  # `run -h` is the host name, as with Docker
    )
    module.add_options(parser, verb)
    parse = parser.parse_args if parser.takes_a_command else parser.parse_intermixed_args
    code: int = module.execute(session, parse(options.rest), verb)
    return code


def _unknown(verb: str) -> errors.UsageError:
    import difflib

    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"Did you mean `composer container {near[0]}`?" if near else "See `composer container --help`."
    return errors.UsageError(f"unknown command {verb!r}", hint=hint)
