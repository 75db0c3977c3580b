"""``--output``: where a built image goes besides the store: a directory, a tar, an archive, a registry."""

from __future__ import annotations

import os

import attrs

from composer import errors
from composer.cli import buildflags, outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.cli.session import Session

_KINDS = ("image", "registry", "local", "tar", "oci", "docker", "cacheonly")
_FORMS = {"oci": "oci-archive", "docker": "docker-archive"}


@attrs.frozen(kw_only=True)
class Output:
    """One ``--output``; ``destination`` is a path, ``-`` for stdout."""

    kind: str
    destination: str = ""
    pushes: bool = False


def parse(text: str) -> Output:
    """Read ``DIRECTORY``, ``-`` or ``type=...,dest=...``; raises ``UsageError``."""
    if text == "-":
        return Output(kind="tar", destination="-")
    if "=" not in text:
        return Output(kind="local", destination=text)
    fields = buildflags.fields_of("--output", text, ("type", "dest", "push", "name", "tar"))
    kind = fields.get("type", "")
    if kind not in _KINDS:
        message = f"--output {text!r}: there is no type {kind!r}"
        raise errors.UsageError(message, hint=f"There are {', '.join(_KINDS)}.")
    destination = fields.get("dest", "")
    if kind == "local" and destination in {"", "-"}:
        message = f"--output {text!r} needs a directory: dest=DIRECTORY"
        raise errors.UsageError(message)
    if fields.get("tar", "true") != "true":
        message = f"--output {text!r}: only archives are written (tar=true)"
        raise errors.UsageError(message)
    pushes = kind == "registry" or fields.get("push") == "true"
    return Output(kind=kind, destination=destination or "-", pushes=pushes)


def export(session: Session, image: str, names: Sequence[str], wanted: Output) -> None:
    """Write an image of the store where ``wanted`` says."""
    from composer.image import saving

    store = session.drivers().images
    found = store.get(image)
    if wanted.kind in _FORMS:
        from composer.model import reference

        tags = tuple(str(reference.parse(name)) for name in names)
        chosen = (saving.Chosen(image=found, tags=tags),)
        form = _FORMS[wanted.kind]
        outputs.write(
            wanted.destination, lambda sink: saving.save(store, chosen, sink, form), flag="dest=FILE"
        )
    elif wanted.kind == "tar":
        with_tree(store.layer_paths(found), lambda tree: _write_tar(tree, wanted.destination))
    elif wanted.kind == "local":
        with_tree(store.layer_paths(found), lambda tree: _copy_tree(tree, wanted.destination))


def with_tree(layers: Sequence[Path], use: Callable[[Path], None]) -> None:
    """Show layers as one tree while ``use`` runs; this process has its own mount namespace by now."""
    import tempfile
    from pathlib import Path

    from composer.host import mounts

    if not layers:
        with tempfile.TemporaryDirectory(prefix="composer-export-") as empty:
            use(Path(empty))
        return
    target = Path(tempfile.mkdtemp(prefix="composer-export-"))
    try:
        mounts.mount_overlay(target, layers, None, None)
        try:
            use(target)
        finally:
            mounts.unmount(target)
    finally:
        target.rmdir()


def _write_tar(tree: Path, destination: str) -> None:
    from composer.image import pack

    def produce(sink: outputs.Sink) -> None:
        pack.write(tree, sink)

    outputs.write(destination, produce, flag="dest=FILE")


def _copy_tree(tree: Path, destination: str) -> None:
    """Copy files, links and modes; what is there already and has another name stays."""
    from contextlib import ExitStack
    from pathlib import Path

    from composer.dockerfile import copy
    from composer.dockerfile.context import Selector
    from composer.dockerfile.tree import Tree
    from composer.host.process import StopFlag

    try:
        os.makedirs(destination, exist_ok=True)
        with ExitStack() as stack:
            source = stack.enter_context(Tree(tree))
            root = stack.enter_context(Tree(Path(destination)))
            flag = StopFlag()
            (found,) = Selector(source, flag, keeps_owner=True).select("/")
            placement = copy.Placement(selection=found, directory="/")
            copy.Writer(root, flag).place(placement, source, copy.Ownership())
    except (OSError, ValueError) as error:
        message = f"cannot write {destination}: {error}"
        raise errors.UsageError(message) from error
