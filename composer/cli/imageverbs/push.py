"""``composer image push``: send an image to the registry of its name."""

from __future__ import annotations

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.model.distribution import Report
    from composer.model.protocols import Interrupt

EXAMPLES = """composer image push registry.example:5000/team/app:1.2
composer image push -a registry.example:5000/team/app"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image push``."""
    add = parser.add_argument
    add("-a", "--all-tags", action="store_true", help="every tag of the repository")
    add("-q", "--quiet", action="store_true", help="no progress")
    add("name", metavar="NAME[:TAG]", help="what to send")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Push, and say what was sent."""
    from composer.cli import transfers

    supply = session.drivers().supply
    digests: dict[str, str] = {}

    def push(name: str) -> transfers.Job:
        def call(report: Report, interrupt: Interrupt) -> None:
            digests[name] = supply.push(name, report=report, interrupt=interrupt)

        return transfers.Job("push", name, call)

    names = _tags_of(session, options.name) if options.all_tags else [options.name]
    jobs = [push(name) for name in names]
    transfers.run(session, jobs, is_quiet=options.quiet)
    for name, digest in digests.items():
        session.say(name if options.quiet else f"{name}: digest: {digest}")
    transfers.raise_first(jobs)
    return 0


def _tags_of(session: Session, name: str) -> list[str]:
    """Every tag of a repository that the store has."""
    from composer.model import reference

    wanted = reference.parse(name)
    found = [
        tag.familiar
        for image in session.drivers().images.list()
        for tag in map(reference.parse, image.tags)
        if (tag.domain, tag.path) == (wanted.domain, wanted.path)
    ]
    if not found:
        message = f"the store has no tag of {wanted.repository}"
        raise errors.ImageNotFound(message, hint="`composer image ls` shows what there is.")
    return sorted(found)
