"""``composer image``: the store of images, shared by every stack of this host."""

from __future__ import annotations

from composer.cli import subverbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer image pull debian:bookworm-slim
composer image ls --filter dangling=true
composer image save -o images.tar debian:bookworm-slim busybox
composer image load -i images.tar
composer image bootstrap debian:bookworm-slim
composer image import rootfs.tar.gz mybase:1"""

VERBS = {
    "bootstrap": ("bootstrap", "Make a base image without any registry"),
    "build": ("build", "Build an image from a Dockerfile"),
    "history": ("history", "Show how an image was made"),
    "import": ("importing", "Make an image from an archive of a root file system"),
    "inspect": ("inspect", "Show everything known of images"),
    "load": ("load", "Bring images in from an archive"),
    "ls": ("ls", "List images"),
    "prune": ("prune", "Remove images that nothing uses"),
    "pull": ("pull", "Fetch an image from its registry"),
    "push": ("push", "Send an image to its registry"),
    "rm": ("rm", "Remove images"),
    "save": ("save", "Write images into an archive"),
    "tag": ("tag", "Give an image another name"),
}
"""Each sub-verb with its module of ``cli.imageverbs`` and what it does."""

_ALIASES = {"list": "ls", "remove": "rm"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sub-verb; what follows is its own."""
    subverbs.add_options(parser, VERBS)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-verb."""
    return subverbs.execute(session, options, group="image", verbs=VERBS, aliases=_ALIASES)
