"""``container inspect``: documents with Docker's names of fields, or what a template picks of them."""

from __future__ import annotations

from composer.cli import hand, listing
from composer.cli.containerrows import opened_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container inspect web
composer container inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web
composer container inspect -f '{{json .State}}' web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``inspect``."""
    add = parser.add_argument
    add("-f", "--format", default="", metavar="TEMPLATE", help="json, or a template: '{{.State.Status}}'")
    add("-s", "--size", action="store_true", help="with the size of the writable layer")
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Show what was found, then what was not."""
    from composer.engine.inspection import Inspector

    documents = []

    def inspect(word: str) -> None:
        record = hand.find(session, word)
        inspector = Inspector(session.drivers())
        document = inspector.inspect(record).document
        if options.size:
            document["SizeRw"], document["SizeRootFs"] = inspector.sizes(document)
        documents.append(document)

    code = hand.each(session, options.containers, inspect)
    for line in listing.inspected(options.format, documents, opened_container):
        session.say(line)
    return code
