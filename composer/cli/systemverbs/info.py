"""``composer system info``: what this host offers, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer system info
composer system info --format json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``system info``."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to show it")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Describe the host."""
    value = description(session)
    session.out.write(json.dumps(value, indent=2) + "\n" if options.format == "json" else text_of(value))
    return 0


def description(session: Session) -> Json:
    """Everything known, by name; a runtime that cannot be chosen is part of the answer, no error."""
    import attrs

    import composer
    from composer.host import mounts, probe
    from composer.runtime import oci

    facts = attrs.asdict(probe.probe_host())
    value: Json = {"composer": composer.__version__, "data": str(session.paths.data), "run": session.run}
    value.update({name: _plain(fact) for name, fact in facts.items()})
    try:
        session.paths.make()
        mounts.enter_private_namespace()
        choice = oci.choose(session.paths.run)
        value["runtime"] = f"{choice.name} ({choice.version})"
        value["rejected_runtimes"] = [f"{name}: {why}" for name, why in choice.rejected]
    except errors.ComposerError as error:
        value["runtime"] = f"none: {error.message}"
    return value


def text_of(value: Json) -> str:
    """A line per fact; lists go on below their name."""
    width = max(map(len, value)) + 2
    lines = []
    for name, fact in value.items():
        title = f"{name.replace('_', ' ')}:".ljust(width)
        if isinstance(fact, dict):
            shown = [f"{key} {_word(item)}" for key, item in fact.items()]
        elif isinstance(fact, list):
            shown = [_word(item) for item in fact]
        else:
            shown = [_word(fact)]
        for index, item in enumerate(shown or ["none"]):
            lines.append(f"{title if not index else ' ' * width}{item}")
    return "\n".join(lines) + "\n"


def _word(fact: object) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if isinstance(fact, list):
        return " ".join(_word(item) for item in fact)
    return str(fact) if fact not in (None, "") else "none"


def _plain(fact: object) -> object:
    """A fact as JSON can carry it."""
    if isinstance(fact, dict):
        return {str(key): _plain(value) for key, value in fact.items()}
    if isinstance(fact, Iterable) and not isinstance(fact, str):
        return [_plain(item) for item in fact]
    return fact if isinstance(fact, bool | int | float | str | None) else str(fact)
