"""``composer build``: the images of services that have a build section, several at once."""

from __future__ import annotations

from composer import errors
from composer.cli import arguments, buildflags, building, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from composer.cli.session import Session
    from composer.model.protocols import BuildRequest
    from composer.model.stack import Stack

EXAMPLES = """composer build
composer build --no-cache --build-arg VERSION=2 web
composer build --with-dependencies --pull web"""

_IDLE = {
    "builder": "there is one builder",
    "memory": "BuildKit has no such limit",
    "provenance": "images are not attested",
    "sbom": "images are not attested",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``build``."""
    add = parser.add_argument
    add("--build-arg", action="append", default=[], metavar="KEY[=VALUE]", help="set a build argument")
    add("--builder", default="", metavar="NAME", help="no effect: there is one builder")
    add("--check", action="store_true", help="check the Dockerfiles, build nothing")
    add("-m", "--memory", default="", metavar="BYTES", help="no effect, as with BuildKit")
    add("--no-cache", action="store_true", help="run every instruction again")
    add("--print", action="store_true", help="show what would be built, as JSON")
    add("--provenance", default="", metavar="MODE", help="no effect: images are not attested")
    add("--pull", action="store_true", help="look for newer base images")
    add("--push", action="store_true", help="push the images when they are built")
    add("-q", "--quiet", action="store_true", help="no output of the build")
    add("--sbom", default="", metavar="MODE", help="no effect: images are not attested")
    add(
        "--ssh",
        action="append",
        default=[],
        metavar="ID[=PATH]",
        help="agent or key for RUN --mount=type=ssh",
    )
    add("--with-dependencies", action="store_true", help="also build what the services depend on")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Build the images."""
    buildflags.note_idle(session, options, _IDLE)
    stack = session.load(options.services).stack
    requests = requests_of(stack, options)
    if not requests:
        request.say_nothing_to_do(session)
        return 0
    if options.print:
        building.print_requests(session, requests)
        return 0
    if options.check:
        return building.check(session, [(name, one) for name, one, _ in requests])
    building.build(session, requests, is_quiet=options.quiet)
    if options.push:
        building.push(session, [tag for _, one, _ in requests for tag in one.tags])
    if not options.quiet:
        for image, _, _ in requests:
            session.say(f"{image} Built")
    return 0


def requests_of(stack: Stack, options: argparse.Namespace) -> list[tuple[str, BuildRequest, tuple[str, ...]]]:
    """The builds with their images' names and what each needs, in an order that can be carried out.

    Raises ``UsageError`` for unknown services.
    """
    import attrs

    from composer.engine import builds as engine
    from composer.planner import builds, desired, order

    names = _chosen(stack, options.services)
    if options.with_dependencies:
        names = sorted(order.with_dependencies(stack.services, names))
    makers = builds.builders(stack, inactive=True)
    images = [desired.image_reference(stack, stack.services[name]) for name in names]
    wanted = list(dict.fromkeys(image for image in images if image in makers))
    agent, epoch = engine.environment_of_caller()
    reads = engine.reads_of(stack) if len(makers) > 1 else {}
    found = []
    for image, needs in builds.ordered(stack, wanted, reads):
        one = builds.request_of(stack, makers[image], agent=agent, epoch=epoch)
        changed = attrs.evolve(
            one,
            args={**one.args, **arguments.key_values(options.build_arg)},
            no_cache=one.no_cache or options.no_cache,
            pulls=one.pulls or options.pull,
            ssh={**one.ssh, **buildflags.agents(options.ssh)},
        )
        found.append((image, changed, needs))
    return found


def _chosen(stack: Stack, services: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in services if name not in stack.services]
    if unknown:
        message = f"no such service: {', '.join(unknown)}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(stack.services) or 'none'}.")
    return services or tuple(stack.services)
