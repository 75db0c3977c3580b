"""``composer image pull``: fetch an image from its registry."""

from __future__ import annotations

from composer import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from composer.cli.session import Session
    from composer.model.distribution import Report
    from composer.model.protocols import Interrupt

EXAMPLES = """composer image pull debian:bookworm-slim
composer image pull --platform linux/arm64 registry.example:5000/team/app
composer image pull -q redis"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image pull``."""
    add = parser.add_argument
    add("-a", "--all-tags", action="store_true", help="every tag of the repository")
    add("--platform", default="", metavar="OS/ARCH", help="for another platform than this host's")
    add("-q", "--quiet", action="store_true", help="only the image's name")
    add("name", metavar="NAME[:TAG][@DIGEST]", help="what to fetch")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Pull, and say what it is."""
    from composer.cli import transfers
    from composer.model import reference

    supply = session.drivers().supply
    digests: dict[str, str] = {}
    statuses: dict[str, str] = {}
    store = session.drivers().images

    def pull(name: str) -> transfers.Job:
        def call(report: Report, interrupt: Interrupt) -> None:
            former = store.find(name)
            image = supply.pull(name, platform=options.platform, report=report, interrupt=interrupt)
            repository = str(reference.parse(name)).partition("@")[0].rpartition(":")[0]
            known = [one.partition("@")[2] for one in image.digests if one.startswith(f"{repository}@")]
            digests[name] = known[-1] if known else image.id
            is_same = former is not None and former.id == image.id
            statuses[name] = "Image is up to date" if is_same else "Downloaded newer image"

        return transfers.Job("pull", name, call)

    names = [options.name]
    if options.all_tags:
        parsed = reference.parse(options.name)
        if parsed.digest or parsed.tag != reference.DEFAULT_TAG or options.name.endswith(f":{parsed.tag}"):
            raise errors.UsageError("--all-tags takes a name without tag and digest")
        names = [f"{options.name}:{tag}" for tag in supply.registry.tags(options.name)]
    jobs = [pull(name) for name in names]
    transfers.run(session, jobs, is_quiet=options.quiet)
    for name, digest in digests.items():
        if not options.quiet:
            session.say(f"Digest: {digest}")
            session.say(f"Status: {statuses[name]} for {name}")
        session.say(str(reference.parse(name)))
    transfers.raise_first(jobs)
    return 0
