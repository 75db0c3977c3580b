"""``composer container``: everything a hand can do to a container of any stack, or of none.

Errors end with Docker's exit codes: 1, but 125 where a container was to be run.
"""

from __future__ import annotations

from composer.cli import subverbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session

EXAMPLES = """composer container run --rm -it debian:bookworm-slim bash
composer container ls -a --filter status=exited
composer container inspect -f '{{.State.Status}}' web"""

VERBS = {
    "attach": ("attach", "Join the streams of a running container"),
    "commit": ("commit", "Make an image of a container"),
    "cp": ("cp", "Copy files between a container and this host"),
    "create": ("create", "Make a container from an image; nothing runs yet"),
    "diff": ("diff", "Show what a container changed of its image's files"),
    "exec": ("exec", "Run a command in a running container"),
    "export": ("export", "Write a container's file tree as a tar"),
    "inspect": ("inspect", "Show everything known of containers"),
    "kill": ("kill", "Signal containers (SIGKILL unless told otherwise)"),
    "logs": ("logs", "Show what a container wrote"),
    "ls": ("ls", "List containers of every stack"),
    "pause": ("pause", "Freeze the processes of containers"),
    "port": ("port", "Show where the ports of a container are published"),
    "prune": ("prune", "Remove stopped containers"),
    "rename": ("rename", "Give a container another name"),
    "restart": ("restart", "Stop and start containers"),
    "rm": ("rm", "Remove containers"),
    "run": ("run", "Run a program in a new container"),
    "start": ("start", "Start stopped containers"),
    "stats": ("stats", "Show what containers use"),
    "stop": ("stop", "Stop containers, keeping them"),
    "top": ("top", "Show the processes of a container"),
    "unpause": ("unpause", "Let paused containers go on"),
    "update": ("update", "Change limits and restart policies in place"),
    "wait": ("wait", "Wait until containers ended, and show their exit codes"),
}
"""Each sub-verb with its module of ``cli.containerverbs`` and what it does."""

_ALIASES = {"list": "ls", "ps": "ls", "remove": "rm"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sub-verb; what follows is its own."""
    subverbs.add_options(parser, VERBS)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-verb."""
    return subverbs.execute(session, options, group="container", verbs=VERBS, aliases=_ALIASES)
