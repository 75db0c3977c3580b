"""COPY and ADD as steps: what an instruction asks for once its variables are known, and writing it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import attrs

from composer.dockerfile import archive, copy, ignore, users
from composer.dockerfile.context import Selection, Selector
from composer.dockerfile.draft import Draft
from composer.dockerfile.expand import expand
from composer.dockerfile.filemode import FileMode
from composer.dockerfile.ignore import IgnoreRules
from composer.dockerfile.syntax import Copy
from composer.dockerfile.tree import Tree
from composer.model.protocols import Interrupt

_LARGEST_DATABASE = 1 << 20


@attrs.frozen(kw_only=True)
class Wanted:
    """A COPY or ADD with its variables expanded; owner names are not resolved yet."""

    sources: tuple[str, ...]
    inline: tuple[tuple[str, str], ...]
    destination: str
    is_directory: bool
    owner: str
    mode: FileMode | None
    excluded: tuple[str, ...]
    keeps_parents: bool
    checksum: str
    extracts: bool | None
    unpacks: bool

    @property
    def rules(self) -> IgnoreRules:
        """What ``--exclude`` leaves out."""
        return ignore.parse("\n".join(self.excluded))

    @property
    def identity(self) -> tuple[object, ...]:
        """What of it makes another layer, besides the sources' content."""
        mode = None if self.mode is None else self.mode.text
        return (
            self.inline, self.destination, self.is_directory, self.owner, mode, self.excluded,
            self.keeps_parents, self.extracts, self.unpacks,
        )  # fmt: skip


@attrs.frozen(kw_only=True)
class Batch:
    """Sources of one tree; ``may_unpack`` says that archives among them are unpacked."""

    selector: Selector
    selections: tuple[Selection, ...]
    may_unpack: bool = False


def settled(base: Draft, instruction: Copy, escape: str) -> Wanted:
    """An instruction with its variables expanded; raises ``ValueError``."""

    def read(text: str) -> str:
        return expand(text, base.variables, escape=escape)

    path, is_directory = copy.destination_of(read(instruction.destination), base.working_dir)
    inline = tuple(
        (
            one.name,
            expand(one.body, base.variables, escape=escape, keeps_quotes=True) if one.expands else one.body,
        )
        for one in instruction.inline
    )
    sources = tuple(map(read, instruction.sources))
    if not is_directory and len(sources) + len(inline) > 1:
        message = "more than one source file: the destination must be a directory and end with a /"
        raise ValueError(message)
    mode = read(instruction.mode)
    return Wanted(
        sources=sources,
        inline=inline,
        destination=path,
        is_directory=is_directory,
        owner=read(instruction.owner),
        mode=FileMode(mode) if mode else None,
        excluded=tuple(map(read, instruction.excluded)),
        keeps_parents=instruction.keeps_parents,
        checksum=read(instruction.checksum),
        extracts=instruction.extracts,
        unpacks=instruction.unpacks,
    )


def write(root: Tree, batches: Sequence[Batch], wanted: Wanted, interrupt: Interrupt) -> None:
    """Write everything into the root of a step."""
    writer = copy.Writer(root, interrupt)
    ownership = copy.Ownership(owner=_owner(root, wanted.owner), mode=wanted.mode)
    rest = [
        (batch, one)
        for batch in batches
        for one in batch.selections
        if not (batch.may_unpack and _unpacked(batch.selector.tree, one, writer, wanted, ownership))
    ]
    is_directory = wanted.is_directory or root.is_directory(root.resolve(wanted.destination))
    placed = copy.placements([one for _, one in rest], wanted.destination, is_directory=is_directory)
    for (batch, _), placement in zip(rest, placed, strict=True):
        writer.place(placement, batch.selector.tree, ownership)
    for name, content in wanted.inline:
        data = content.encode("utf-8", "surrogateescape")
        writer.write_content(wanted.destination, name if is_directory else "", data, ownership)


def _unpacked(
    tree: Tree, selection: Selection, writer: copy.Writer, wanted: Wanted, ownership: copy.Ownership
) -> bool:
    """Unpack a source of ADD if it is an archive; whether it was one."""
    entry = selection.entries[0]
    if not entry.digest:
        return False
    with os.fdopen(tree.open_file(entry.location), "rb") as file:
        if not archive.is_archive(file):
            return False
        archive.unpack(file, writer, wanted.destination, ownership, digest=entry.digest)
    return True


def _owner(root: Tree, text: str) -> tuple[int, int] | None:
    """``--chown`` in numbers, by the root's own databases."""
    if not text:
        return None

    def database(path: str) -> str:
        return (root.read(path, limit=_LARGEST_DATABASE) or b"").decode("utf-8", "replace")

    return users.owner_of(text, passwd=database("etc/passwd"), group=database("etc/group"))
