"""Builds as commands make them: carried out in this process, shown as they go, stopped by Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import threading

from composer.cli import buildprogress, table, terminal
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.cli.buildmemo import Memo
    from composer.cli.session import Json, Session
    from composer.model.distribution import Report
    from composer.model.protocols import BuildRequest, Interrupt, StepReport


def build(
    session: Session,
    requests: Sequence[tuple[str, BuildRequest, tuple[str, ...]]],
    *,
    is_quiet: bool = False,
    mode: str = "",
    hear: Callable[[StepReport], None] | None = None,
) -> Mapping[str, str]:
    """Carry builds out (name, request, names that it needs); returns the images' ids by name.

    ``mode`` is a ``--progress`` mode, "" for the command line's; ``hear`` gets what is shown, too.
    """
    from composer.cli import interruption
    from composer.dockerfile import progress as lines
    from composer.engine import builds
    from composer.host import mounts

    mounts.enter_private_namespace()
    builder = session.drivers().builder
    mode = "quiet" if is_quiet else mode or session.root.progress
    renderer = buildprogress.renderer_for(mode, session.err, ansi=session.root.ansi)
    lock = threading.Lock()

    def listeners(image: str) -> tuple[Callable[[str], None], Callable[[StepReport], None]]:
        prefix = f"[{image}] " if len(requests) > 1 else ""

        def report(one: StepReport) -> None:
            with lock:
                if hear is not None:
                    hear(one)
                renderer.show(events.build(f"image {image}", one, f"{prefix}{lines.line_of(one)}"))

        return lambda _: None, report

    with interruption.stop_flag() as flag:
        try:
            return builds.build_all(builder, requests, flag, listeners)
        finally:
            renderer.close()


def remember(
    session: Session, memo: Memo, request: BuildRequest, image: str, steps: Sequence[tuple[int, str]]
) -> None:
    """Keep a memo of a build, unless it read what a listing of its context cannot tell of."""
    from composer.dockerfile import source
    from composer.host.database import MIGRATIONS
    from composer.model import reference

    store = session.drivers().images
    read = [name for name in source.names_read(request) if not reference.looks_like_id(name)]
    bases = {str(reference.parse(name)): store.find(name) for name in read}
    tags = {str(reference.parse(tag)): store.get(image) for tag in request.tags}
    known = {name: found for name, found in {**bases, **tags}.items() if found is not None}
    if len(known) < len({**bases, **tags}) or source.reads_elsewhere(request):
        return
    if any(found.config.on_build for found in bases.values() if found is not None):
        return
    with contextlib.suppress(OSError):
        memo.record(
            image,
            names=[(name, found.id) for name, found in known.items()],
            layers=sorted({layer for found in (*known.values(), store.get(image)) for layer in found.layers}),
            steps=steps,
            schema=len(MIGRATIONS),
        )


def print_requests(session: Session, requests: Sequence[tuple[str, BuildRequest, tuple[str, ...]]]) -> None:
    """Show what would be built, in the form of a bake file (``docker compose build --print``)."""
    targets: dict[str, Json] = {}
    for name, request, _ in requests:
        values: Json = {
            "context": str(request.context),
            "contexts": dict(request.contexts),
            "dockerfile": None if request.dockerfile_inline is not None else request.dockerfile,
            "dockerfile-inline": request.dockerfile_inline,
            "args": dict(request.args),
            "labels": dict(request.labels),
            "tags": list(request.tags),
            "target": request.target,
            "cache-from": list(request.cache_from),
            "cache-to": list(request.cache_to),
            "secret": [f"id={key}" for key in request.secrets],
            "ssh": [f"{key}={path}" for key, path in request.ssh.items()],
            "no-cache": request.no_cache or None,
            "pull": request.pulls or None,
            "network": request.network if request.network != "default" else None,
            "entitlements": sorted(request.entitlements),
        }
        targets[name] = {key: value for key, value in values.items() if value}
    bake = {"group": {"default": {"targets": list(targets)}}, "target": targets}
    session.say(json.dumps(bake, indent=2))


def check(session: Session, requests: Sequence[tuple[str, BuildRequest]]) -> int:
    """Check Dockerfiles without building; 1 when there is something to say, as with Docker."""
    from composer.cli import interruption

    builder = session.drivers().builder
    with interruption.stop_flag() as flag:
        texts = [text for _, request in requests for text in builder.check(request, flag)]
    for text in texts:
        session.say("\n".join(map(terminal.harmless, text.splitlines())))
        session.say("")
    words = "1 warning has" if len(texts) == 1 else f"{len(texts)} warnings have"
    session.say(f"Check complete, {words} been found!" if texts else "Check complete, no warnings found.")
    return 1 if texts else 0


def describe(session: Session, request: BuildRequest, call: str) -> int:
    """Show the targets of a Dockerfile, or the arguments, secrets and agents of one (``--call``)."""
    from composer.dockerfile import outline, source

    dockerfile = source.dockerfile_of_local(request)
    if call == "targets":
        rows = [
            (f"{one.name}{' (default)' if one.is_default else ''}", one.description)
            for one in outline.targets_of(dockerfile, request.args)
        ]
        session.out.write(table.table(("TARGET", "DESCRIPTION"), rows))
        return 0
    found = outline.outline_of(dockerfile, request.args, request.target)
    session.say(f"TARGET: {found.target}")
    if found.arguments:
        session.say("")
        session.out.write(table.table(("BUILD ARG", "VALUE"), found.arguments))
    for title, names in (("SECRET", found.secrets), ("SSH", found.agents)):
        if names:
            session.say("")
            session.out.write(table.table((title, "REQUIRED"), names))
    return 0


def push(session: Session, references: Sequence[str]) -> None:
    """Push images that were built; raises the first failure when all have ended."""
    from functools import partial

    from composer.cli import transfers

    supply = session.drivers().supply

    def send(name: str, report: Report, interrupt: Interrupt) -> None:
        supply.push(name, report=report, interrupt=interrupt)

    jobs = [transfers.Job("push", name, partial(send, name)) for name in dict.fromkeys(references)]
    transfers.run(session, jobs, is_quiet=session.root.progress == "quiet")
    transfers.raise_first(jobs)
