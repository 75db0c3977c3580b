"""``composer build``: the images of services that have a build section, several at once."""

from __future__ import annotations

import os
import threading

from composer import errors
from composer.cli import arguments, progress, request
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from composer.cli.progress import Renderer
    from composer.cli.session import Session
    from composer.model.protocols import Builder, BuildRequest, Interrupt
    from composer.model.stack import Service, Stack

EXAMPLES = """composer build
composer build --no-cache --build-arg VERSION=2 web"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``build``."""
    add = parser.add_argument
    add("--no-cache", action="store_true", help="run every instruction again")
    add("--build-arg", action="append", default=[], metavar="KEY=VALUE", help="set a build argument")
    add("-q", "--quiet", action="store_true", help="no output of the build")
    arguments.add_services(parser)


def execute(session: Session, options: argparse.Namespace) -> int:
    """Build the images."""
    from composer.cli import interruption
    from composer.host import mounts

    stack = session.load(options.services).stack
    requests = requests_of(
        stack, options.services, arguments.key_values(options.build_arg), no_cache=options.no_cache
    )
    if not requests:
        request.say_nothing_to_do(session)
        return 0
    mounts.enter_private_namespace()
    builder = session.drivers().builder
    mode = "quiet" if options.quiet else session.root.progress
    # Lines of several builds at once have no place in a table of rows: plain is what BuildKit does too.
    renderer = progress.renderer_for("plain" if mode in ("auto", "tty") else mode, session.err)
    with interruption.stop_flag() as flag:
        _build_all(builder, requests, renderer, flag)
    if not options.quiet:
        for image in requests:
            session.say(f"{image} Built")
    return 0


def requests_of(
    stack: Stack, services: Sequence[str], build_args: Mapping[str, str], *, no_cache: bool
) -> dict[str, BuildRequest]:
    """One build per image name, in the order of services; raises ``UsageError`` for unknown ones."""
    from composer.planner import desired

    unknown = [name for name in services if name not in stack.services]
    if unknown:
        message = f"no such service: {', '.join(unknown)}"
        raise errors.UsageError(message, hint=f"There are: {', '.join(stack.services) or 'none'}.")
    requests: dict[str, BuildRequest] = {}
    for name in services or stack.services:
        service = stack.services[name]
        reference = desired.image_reference(stack, service)
        if service.build is not None and reference not in requests:
            requests[reference] = _request_of(service, reference, build_args, no_cache=no_cache)
    return requests


def _request_of(
    service: Service, reference: str, build_args: Mapping[str, str], *, no_cache: bool
) -> BuildRequest:
    from pathlib import Path

    from composer.model.protocols import BuildRequest

    build = service.build
    assert build is not None
    declared = {name: value for name, value in build.args.items() if value is not None}
    return BuildRequest(
        context=Path(build.context),
        dockerfile=build.dockerfile,
        dockerfile_inline=build.dockerfile_inline,
        args={**declared, **build_args},
        target=build.target,
        tags=(reference,),
        no_cache=no_cache,
    )


def _build_all(
    builder: Builder, requests: Mapping[str, BuildRequest], renderer: Renderer, interrupt: Interrupt
) -> None:
    """Build at most one image per core at once; the first failure is raised when all have ended."""
    slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
    lock = threading.Lock()
    failures: list[BaseException] = []

    def sayer(image: str) -> Callable[[str], None]:
        prefix = f"[{image}] " if len(requests) > 1 else ""

        def say(line: str) -> None:
            with lock:
                renderer.show(events.log(f"image {image}", f"{prefix}{line}"))

        return say

    def build(image: str, wanted: BuildRequest) -> None:
        with slots:
            try:
                if not failures:
                    builder.build(wanted, sayer(image), interrupt)
            except BaseException as error:  # noqa: BLE001 -- raised again by the main thread
                failures.append(error)

    threads = [threading.Thread(target=build, args=item, daemon=True) for item in requests.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    renderer.close()
    if failures:
        raise failures[0]
