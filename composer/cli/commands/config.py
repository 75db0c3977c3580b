"""``composer config``: the stack file as it is understood."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.stackfile.load import Loaded

EXAMPLES = """composer config
composer config -q && echo the file is good
composer config --services"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``config``."""
    add = parser.add_argument
    add("--format", choices=("yaml", "json"), default="yaml", help="how to show it")
    add("-q", "--quiet", action="store_true", help="only check")
    add("-o", "--output", metavar="FILE", help="write to a file")
    for what in ("services", "volumes", "images", "networks"):
        add(f"--{what}", dest=f"only_{what}", action="store_true", help=f"only names of {what}")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show or check the file."""
    loaded = session.load(options.services)
    for warning in loaded.stack.warnings:
        session.note(f"warning: {warning}")
    if options.quiet:
        return 0
    text = _text_of(loaded, options)
    if not options.output:
        session.out.write(text)
        return 0
    try:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"cannot write {options.output}: {error.strerror}"
        raise errors.UsageError(message) from error
    return 0


def _text_of(loaded: Loaded, options: argparse.Namespace) -> str:
    from composer.planner import desired
    from composer.stackfile import render

    stack = loaded.stack
    if options.only_services:
        return _lines(stack.services)
    if options.only_volumes:
        return _lines(stack.volumes)
    if options.only_networks:
        return _lines(stack.networks)
    if options.only_images:
        return _lines(dict.fromkeys(desired.image_reference(stack, s) for s in stack.services.values()))
    return render.as_json(stack) if options.format == "json" else render.as_yaml(stack)


def _lines(names: object) -> str:
    assert isinstance(names, dict)
    return "".join(f"{name}\n" for name in names)
