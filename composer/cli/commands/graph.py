"""``composer graph``: the stack's resources and what each needs."""

from __future__ import annotations

from composer.cli import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer graph --format dot | dot -Tsvg > stack.svg
composer graph --format mermaid"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``graph``."""
    parser.add_argument("--format", choices=("dot", "mermaid", "json"), default="dot", help="how to show it")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show the graph."""
    from composer.graph import render, resources

    graph = resources.graph_of(session.load(options.services).stack)
    draw = {"dot": render.dot_of, "mermaid": render.mermaid_of, "json": render.json_of}[options.format]
    session.out.write(draw(graph))
    return 0
