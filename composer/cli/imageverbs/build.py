"""``composer image build``: one image from a Dockerfile, with the flags of ``docker buildx build``."""

from __future__ import annotations

import json
import os
import sys
import tempfile

from composer import errors
from composer.cli import arguments, buildflags, buildmemo, terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from composer.cli.buildmemo import Memo
    from composer.cli.session import Session
    from composer.model.protocols import BuildRequest

EXAMPLES = """composer image build -t app .
composer image build -t app --target test --build-arg VERSION=2 --secret id=token,src=token.txt .
composer image build --output type=local,dest=out .
tar -c . | composer image build -t app -"""

_IDLE = {
    "annotation": "the manifest of an image is made when it is pushed or saved",
    "attest": "images are not attested",
    "builder": "there is one builder",
    "force_rm": "steps leave no containers",
    "load": "what is built is in the store",
    "memory": "BuildKit has no such limit",
    "provenance": "images are not attested",
    "rm": "steps leave no containers",
    "sbom": "images are not attested",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of ``image build``."""
    add = parser.add_argument
    many = {"action": "append", "default": []}

    def add_many(*names: str, metavar: str, text: str) -> None:
        add(*names, metavar=metavar, help=text, **many)  # type: ignore[arg-type]

    add_many(
        "--add-host", metavar="NAME:ADDRESS", text="a line in /etc/hosts of RUN; host-gateway is this host"
    )
    add_many("--allow", metavar="ENTITLEMENT", text="network.host, security.insecure")
    add_many("--annotation", metavar="KEY=VALUE", text="no effect: manifests are made by push and save")
    add_many("--build-arg", metavar="KEY[=VALUE]", text="set a build argument")
    add_many(
        "--build-context", metavar="NAME=VALUE", text="a directory, repository or docker-image:// by name"
    )
    add_many("--cache-from", metavar="SPEC", text="type=local,src=DIRECTORY: take steps from there")
    add_many("--cache-to", metavar="SPEC", text="type=local,dest=DIRECTORY: keep steps there")
    add(
        "--call",
        choices=("build", "check", "outline", "targets"),
        default="build",
        help="only look at the file",
    )
    add("--check", action="store_true", help="as --call check")
    add("-f", "--file", default="", metavar="FILE", help="the Dockerfile; - for stdin")
    add("--iidfile", default="", metavar="FILE", help="write the image's id there")
    add_many("--label", metavar="KEY=VALUE", text="a label of the image")
    add("--metadata-file", default="", metavar="FILE", help="write what was built there, as JSON")
    add("--network", default="default", choices=("default", "none", "host"), help="the network of RUN steps")
    add("--no-cache", action="store_true", help="run every instruction again")
    add_many("--no-cache-filter", metavar="STAGE", text="run the instructions of these stages again")
    add_many(
        "-o", "--output", metavar="SPEC", text="a directory, or type=image|local|tar|oci|docker[,dest=...]"
    )
    add_many("--platform", metavar="PLATFORM", text="what to build for; this host's")
    add("--progress", default="", choices=("", *arguments.PROGRESS_MODES), help="how steps are shown")
    add("--pull", action="store_true", help="look for newer base images")
    add("--push", action="store_true", help="push the image when it is built")
    add("-q", "--quiet", action="store_true", help="only the image's id")
    add_many("--secret", metavar="SPEC", text="id=NAME,src=FILE or id=NAME,env=VARIABLE")
    add("--shm-size", default="", metavar="BYTES", help="size of /dev/shm in RUN steps")
    add_many("--ssh", metavar="ID[=PATH]", text="agent or key for RUN --mount=type=ssh")
    add_many("-t", "--tag", metavar="NAME[:TAG]", text="a name for the image")
    add("--target", default=None, metavar="STAGE", help="build this stage")
    add_many("--ulimit", metavar="NAME=SOFT[:HARD]", text="a limit of RUN steps")
    for name in ("builder", "memory", "provenance", "sbom", "attest"):
        add(f"--{name}", default="", metavar="X", help="no effect")
    for name in ("load", "rm", "force-rm"):
        add(f"--{name}", action="store_true", help="no effect")
    add("context", metavar="PATH|URL|-", help="the files that the build may read")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Build, and export where asked to."""
    buildflags.note_idle(session, options, _IDLE)
    memo = buildmemo.memo_for(options)
    known = memo.known() if memo is not None else None
    if known is not None and _show_known(session, options, known):
        return 0
    from composer.cli import building, exporting

    wants = [exporting.parse(text) for text in options.output]
    with _context_of(options) as (context, inline):
        request = request_of(options, context, inline)
        call = "check" if options.check else options.call
        if call == "check":
            return building.check(session, [(options.context, request)])
        if call != "build":
            return building.describe(session, request, call)
        image = _build(session, request, options, memo)
    names = request.tags
    for wanted in wants:
        exporting.export(session, image, names, wanted)
    if options.push or any(wanted.pushes for wanted in wants):
        if not names:
            message = "an image without a name cannot be pushed"
            raise errors.UsageError(message, hint="Give it one with --tag.")
        building.push(session, names)
    _record(options, image, names)
    if options.quiet:
        session.say(image)
    return 0


def _show_known(session: Session, options: argparse.Namespace, known: dict[str, object]) -> bool:
    """Say what a build would say that finds everything done; false when that is not for us to say."""
    mode = options.progress or session.root.progress
    if mode == "json":
        return False
    if options.quiet:
        session.say(str(known["image"]))
    elif mode != "quiet":
        is_live = mode == "tty" or (mode == "auto" and terminal.is_terminal(session.err))
        buildmemo.show(known, session.err.write, is_live=is_live and session.root.ansi != "never")
    return True


def _build(session: Session, request: BuildRequest, options: argparse.Namespace, memo: Memo | None) -> str:
    from composer.cli import building

    listener = buildmemo.Listener()
    name = request.tags[0] if request.tags else "image"
    image = building.build(
        session,
        [(name, request, ())],
        is_quiet=options.quiet,
        mode=options.progress,
        hear=lambda one: listener.hear(one.number, one.title, one.line),
    )[name]
    if memo is not None:
        building.remember(session, memo, request, image, listener.steps)
    return image


def request_of(options: argparse.Namespace, context: Path | str, inline: str | None) -> BuildRequest:
    """The build that the flags ask for; raises ``UsageError``."""
    from composer.engine import builds
    from composer.model import reference
    from composer.model.build import cache_place
    from composer.model.protocols import BuildRequest

    _, epoch = builds.environment_of_caller()
    entitlements = {*options.allow, *(("network.host",) if options.network == "host" else ())}
    return BuildRequest(
        context=context,
        dockerfile=_dockerfile(options.file, context),
        dockerfile_inline=inline,
        args=arguments.key_values(options.build_arg),
        target=options.target,
        tags=tuple(reference.parse(tag).familiar for tag in dict.fromkeys(options.tag)),
        labels=buildflags.pairs("--label", options.label),
        annotations=buildflags.pairs("--annotation", options.annotation),
        no_cache=options.no_cache,
        uncached=tuple(name for text in options.no_cache_filter for name in text.split(",")),
        pulls=options.pull,
        platform=_platform(options.platform),
        contexts=dict(map(_named_context, options.build_context)),
        network=options.network,
        hosts=buildflags.hosts(options.add_host),
        shm_size=buildflags.size("--shm-size", options.shm_size),
        ulimits=buildflags.ulimits(options.ulimit),
        secrets=buildflags.secrets(options.secret),
        ssh=buildflags.agents(options.ssh),
        entitlements=frozenset(entitlements),
        cache_from=tuple(cache_place(text, os.getcwd()) for text in options.cache_from),
        cache_to=tuple(cache_place(text, os.getcwd()) for text in options.cache_to),
        epoch=epoch,
    )


def _dockerfile(file: str, context: Path | str) -> str:
    """A Dockerfile beside a local context is named from where the user stands, as with Docker."""
    from composer.dockerfile import remote

    if not file or file == "-":
        return "Dockerfile"
    is_local = not (isinstance(context, str) and remote.is_remote(context)) and os.path.isdir(context)
    return os.path.abspath(file) if is_local else file


def _platform(words: list[str]) -> str:
    wanted = [one for word in words for one in word.split(",") if one]
    if len(wanted) > 1:
        message = f"an image is for one platform, not for {', '.join(wanted)}"
        raise errors.UsageError(message, hint="Build for each platform by itself.")
    return wanted[0] if wanted else ""


def _named_context(word: str) -> tuple[str, str]:
    from composer.dockerfile import remote

    name, _, value = word.partition("=")
    if not (name and value):
        message = f"--build-context {word!r} is not NAME=VALUE"
        raise errors.UsageError(message)
    is_address = "://" in value or remote.is_remote(value)
    return name, value if is_address else os.path.abspath(value)


def _context_of(options: argparse.Namespace) -> AbstractContextManager[tuple[Path | str, str | None]]:
    """The context and the text of a Dockerfile that came from stdin."""
    from contextlib import contextmanager
    from pathlib import Path

    @contextmanager
    def opened() -> Iterator[tuple[Path | str, str | None]]:
        if options.context == "-" and options.file == "-":
            message = "stdin cannot be the context and the Dockerfile"
            raise errors.UsageError(message)
        if options.file == "-":
            yield _local(options.context), sys.stdin.read()
        elif options.context == "-":
            with tempfile.TemporaryDirectory(prefix="composer-context-") as room:
                yield _context_from_stdin(Path(room))
        else:
            yield _local(options.context), None

    return opened()


def _local(context: str) -> Path | str:
    from pathlib import Path

    from composer.dockerfile import remote

    return context if remote.is_remote(context) else Path(os.path.abspath(context))


def _context_from_stdin(room: Path) -> tuple[Path | str, str | None]:
    """An archive is a context, anything else a Dockerfile without one."""
    import shutil

    from composer.dockerfile import archive

    spooled = room / "stdin"
    with open(spooled, "wb+") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.seek(0)
        if archive.is_archive(file):
            return spooled, None
    empty = room / "empty"
    empty.mkdir()
    return empty, spooled.read_text("utf-8", "replace")


def _record(options: argparse.Namespace, image: str, names: tuple[str, ...]) -> None:
    """Write the files that other tools read the outcome from."""
    metadata = {"containerimage.config.digest": image, "image.name": ",".join(names)}
    for path, text in ((options.iidfile, image), (options.metadata_file, json.dumps(metadata, indent=2))):
        if path:
            try:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            except OSError as error:
                message = f"cannot write {path}: {error.strerror}"
                raise errors.UsageError(message) from error
