"""``composer image``: the store of images, shared by every stack of this host."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer image ls --filter dangling=true
composer image save -o images.tar debian:bookworm-slim busybox
composer image load -i images.tar
composer image bootstrap debian:bookworm-slim
composer image import rootfs.tar.gz mybase:1"""

VERBS = {
    "bootstrap": "make a base image without any registry",
    "history": "show how an image was made",
    "import": "make an image from an archive of a root file system",
    "inspect": "show everything known of images",
    "load": "bring images in from an archive",
    "ls": "list images",
    "prune": "remove images that nothing uses",
    "rm": "remove images",
    "save": "write images into an archive",
    "tag": "give an image another name",
}
"""Each sub-command is a module of ``cli.imageverbs``."""

ALIASES = {"ls": ["list"], "rm": ["remove"]}
_MODULES = {"import": "importing"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of each sub-command."""
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for verb, text in VERBS.items():
        module = importlib.import_module(f"composer.cli.imageverbs.{_MODULES.get(verb, verb)}")
        one = verbs.add_parser(
            verb, aliases=ALIASES.get(verb, []), help=text, description=f"{text[0].upper()}{text[1:]}."
        )
        module.add_options(one)
        one.set_defaults(execute=module.execute)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-command."""
    code: int = options.execute(session, options)
    return code
