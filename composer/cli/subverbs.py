"""Verbs with verbs below them (``composer image ls``): each one a module, imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib

from composer import errors
from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.cli.session import Session


def add_options(parser: argparse.ArgumentParser, verbs: Mapping[str, tuple[str, str]]) -> None:
    """The sub-verb; what follows is its own."""
    width = max(map(len, verbs))
    listing = "\n".join(f"  {name.ljust(width)}  {text}" for name, (_, text) in verbs.items())
    parser.description = f"{parser.description or ''}\n\ncommands:\n{listing}"
    parser.add_argument("verb", metavar="COMMAND")
    parser.add_argument("rest", nargs="...", metavar="...", help="see COMMAND --help")


def execute(
    session: Session,
    options: argparse.Namespace,
    *,
    group: str,
    verbs: Mapping[str, tuple[str, str]],
    aliases: Mapping[str, str] | None = None,
) -> int:
    """Run the sub-verb of ``composer GROUP``."""
    verb = (aliases or {}).get(options.verb, options.verb)
    if verb not in verbs:
        raise _unknown(group, verb, verbs)
    name, text = verbs[verb]
    module = importlib.import_module(f"composer.cli.{group}verbs.{name}")
    parser = arguments.Parser(
        prog=f"composer {group} {verb}",
        description=f"{text}.",
        examples=module.EXAMPLES,
        conflicts="resolve",  # `container run -h` is the host name, as with Docker
    )
    module.add_options(parser)
    code: int = module.execute(session, parser.read(options.rest))
    return code


def _unknown(group: str, verb: str, verbs: Mapping[str, object]) -> errors.UsageError:
    import difflib

    near = difflib.get_close_matches(verb, verbs, n=1)
    hint = f"Did you mean `composer {group} {near[0]}`?" if near else f"See `composer {group} --help`."
    return errors.UsageError(f"unknown command {verb!r}", hint=hint)
