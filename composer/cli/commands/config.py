"""``composer config``: the stack file as it is understood."""

from __future__ import annotations

from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.stackfile.load import Document

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
    document = session.read(options.services)
    for warning in document.warnings:
        session.note(f"warning: {warning}")
    if options.quiet:
        return 0
    session.out.write(_text_of(document, options))
    return 0


def _text_of(document: Document, options: argparse.Namespace) -> str:
    from composer.stackfile import document as rendering

    tree = rendering.dollars_doubled(rendering.tree_of(document.selected, options.format))
    return rendering.as_json(tree) if options.format == "json" else rendering.as_yaml(tree)
