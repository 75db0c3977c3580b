"""``container update``: limits and restart policy, in place."""

from __future__ import annotations

import os

from composer import errors
from composer.cli import hand, serviceflags

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Json, Session

EXAMPLES = """composer container update --memory 512m --cpus 1.5 web
composer container update --restart unless-stopped web db"""

_FLAGS = (
    "--blkio-weight",
    "--cpu-period",
    "--cpu-quota",
    "--cpu-rt-period",
    "--cpu-rt-runtime",
    "--cpu-shares",
    "--cpus",
    "--cpuset-cpus",
    "--memory",
    "--memory-reservation",
    "--memory-swap",
    "--pids-limit",
    "--restart",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``container update``."""
    serviceflags.add_rows(parser, _FLAGS)
    hand.add_containers(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Change each of them; its name is printed when it is done."""
    service = serviceflags.attributes_of(options, _FLAGS)
    if not service:
        message = "update needs something to change"
        raise errors.UsageError(message, hint="As in `composer container update --memory 512m web`.")
    stackfile = {"services": {"update": {"image": "update", **service}}}
    arguments: Json = {
        "stackfile": serviceflags.as_text(stackfile),
        "directory": os.getcwd(),
        "given": sorted(service),
    }

    def update(word: str) -> None:
        try:
            hand.ask(session, hand.find_id(session, word), "container_update", arguments)
        except errors.StackFileError as error:
            raise serviceflags.translated(error) from error
        session.say(word)

    return hand.each(session, options.containers, update)
