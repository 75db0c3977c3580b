"""``composer image``: the store of images, shared by every stack of this host."""

from __future__ import annotations

import json
import sys

from composer import errors
from composer.cli import progress, table
from composer.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from composer.cli.session import Json, Session
    from composer.image.store import Store
    from composer.model.image import Image

EXAMPLES = """composer image bootstrap debian:bookworm-slim
composer image bootstrap --busybox busybox
composer image import rootfs.tar.gz mybase:1
composer image ls"""

HEADER = ("REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of each sub-command."""
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    def add_verb(name: str, text: str) -> Callable[..., object]:
        return verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.").add_argument

    add = add_verb("ls", "list images")
    add("-q", "--quiet", action="store_true", help="only ids")
    add("--format", choices=("table", "json"), default="table", help="how to show it")
    add = add_verb("bootstrap", "make a base image without any registry")
    add("name", metavar="NAME", help="such as debian:bookworm-slim")
    add("--suite", default="", help="Debian release; as the tag says unless given")
    add("--include", default="", metavar="PACKAGE,...", help="more packages")
    add("--busybox", action="store_true", help="a static busybox instead of Debian")
    add = add_verb("import", "make an image from an archive of a root file system")
    add("file", metavar="FILE", help="tar, also compressed; - for stdin")
    add("name", metavar="REF", nargs="?", default="", help="name of the image; the file's unless given")
    add = add_verb("rm", "remove images")
    add("names", metavar="IMAGE", nargs="+")
    add("-f", "--force", action="store_true", help="also when containers use it")
    add = add_verb("inspect", "show everything known of images, as JSON")
    add("names", metavar="IMAGE", nargs="+")


def execute(session: Session, options: argparse.Namespace) -> int:
    """Run the sub-command."""
    act = {
        "ls": _list,
        "bootstrap": _bootstrap,
        "import": _import,
        "rm": _remove,
        "inspect": _inspect,
    }[options.verb]
    act(session, options)
    return 0


def _store(session: Session) -> Store:
    """The image store alone: nothing here needs a network or a runtime."""
    from composer.host.database import Database
    from composer.image.store import Store

    session.paths.make()
    return Store(session.paths, Database(session.paths.database))


def _list(session: Session, options: argparse.Namespace) -> None:
    values = [value for image in _store(session).list() for value in values_of(image)]
    if options.quiet:
        for identity in dict.fromkeys(str(value["ID"]) for value in values):
            session.say(identity.removeprefix("sha256:")[:12])
    elif options.format == "json":
        for value in values:
            session.say(json.dumps(value))
    else:
        session.out.write(table.table(HEADER, [_cells(value) for value in values]))


def values_of(image: Image) -> list[Json]:
    """One row per name of the image; a nameless one is a row as well."""
    from composer.model import reference

    parsed = [reference.parse(tag) for tag in image.tags]
    names = [(item.repository, item.tag) for item in parsed]
    return [
        {"Repository": repository, "Tag": tag, "ID": image.id, "Created": image.created, "Size": image.size}
        for repository, tag in names or [("<none>", "<none>")]
    ]


def _cells(value: Json) -> tuple[str, ...]:
    size = value["Size"]
    return (
        str(value["Repository"]),
        str(value["Tag"]),
        str(value["ID"]).removeprefix("sha256:")[:12],
        str(value["Created"])[:19].replace("T", " "),
        table.human_size(size if isinstance(size, int) else 0),
    )


def _bootstrap(session: Session, options: argparse.Namespace) -> None:
    from composer.cli import interruption
    from composer.host import mounts
    from composer.image import bootstrap

    packages = tuple(name for name in options.include.split(",") if name)
    if options.busybox and (packages or options.suite):
        message = "--busybox makes an image of one program: it takes no --suite and no --include"
        raise errors.UsageError(message)
    mounts.enter_private_namespace()  # mmdebstrap mounts /proc and more in its tree
    store = _store(session)
    if options.busybox:
        image = bootstrap.bootstrap_busybox(store, options.name, say=_sayer(session))
    else:
        with interruption.stop_flag() as flag:
            image = bootstrap.bootstrap_debian(
                store,
                options.name,
                suite=options.suite,
                include=packages,
                say=_sayer(session),
                interrupt=flag,
            )
    session.say(image.id)


def _sayer(session: Session) -> Callable[[str], None]:
    renderer = progress.renderer_for(
        session.root.progress if session.root.progress in ("json", "quiet") else "plain", session.err
    )
    return lambda line: renderer.show(events.message("info", line))


def _import(session: Session, options: argparse.Namespace) -> None:
    from composer.image import importer

    name = options.name or name_from(options.file)
    if options.file == "-":
        image = importer.import_tar(_store(session), sys.stdin.buffer, name, say=_sayer(session))
    else:
        try:
            stream = open(options.file, "rb")  # noqa: SIM115 -- closed below; only its opening is translated
        except OSError as error:
            message = f"cannot read {options.file}: {error.strerror}"
            raise errors.UsageError(message) from error
        with stream:
            image = importer.import_tar(_store(session), stream, name, say=_sayer(session))
    session.say(image.id)


def name_from(file: str) -> str:
    """The name of an image that was given none: the archive's, up to its first dot."""
    name = file.rpartition("/")[2].partition(".")[0].lower()
    if file == "-" or not name:
        raise errors.UsageError("the image needs a name", hint="As in `composer image import FILE NAME:TAG`.")
    return name


def _remove(session: Session, options: argparse.Namespace) -> None:
    store = _store(session)
    for name in options.names:
        for line in store.remove(name, force=options.force):
            session.say(line)


def _inspect(session: Session, options: argparse.Namespace) -> None:
    store = _store(session)
    session.say(json.dumps([inspection_of(store.get(name)) for name in options.names], indent=4))


def inspection_of(image: Image) -> Json:
    """What ``image inspect`` shows: the keys of ``docker image inspect``."""
    from composer.image import config as configs

    content = json.loads(
        configs.to_json(
            image.config,
            layers=image.layers,
            history=image.history,
            created=image.created,
            architecture=image.architecture,
        )
    )
    return {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "Created": image.created,
        "Architecture": image.architecture,
        "Os": content.get("os", "linux"),
        "Size": image.size,
        "Config": content.get("config", {}),
        "RootFS": {"Type": "layers", "Layers": list(image.layers)},
        "History": content.get("history", []),
    }
