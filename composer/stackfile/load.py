"""Loading a stack file: the list of passes, in order, and nothing else.

locate -> assemble (per document: parse -> interpolate -> extends -> include -> merge -> unicity ->
schema -> canonical; then defaults -> absolute paths) -> settle -> structure -> normalise -> profiles
-> consistency -> env files -> selection -> obstacles -> bind.  Each pass reports every problem it
finds; the next begins only on a clean tree.

``read_document`` stops before binding: that is all ``config`` needs, and it agrees with Docker Compose
about what is a valid file.  ``load_stack`` goes on and refuses what cannot run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.model import names
from composer.stackfile import (
    assemble,
    attributes,
    environment,
    feasibility,
    interpolate,
    locate,
    normalise,
    rules,
    selection,
    support,
)
from composer.stackfile.assemble import raise_if
from composer.stackfile.locate import LoadRequest, Variables
from composer.stackfile.reader import InputFile, Reader
from composer.stackfile.tree import Node, Place, copied, section

if TYPE_CHECKING:
    from composer.model.stack import Stack

__all__ = ["Document", "InputFile", "LoadRequest", "Loaded", "Omissions", "load_stack", "read_document"]


@attrs.frozen(kw_only=True)
class Omissions:
    """The passes that ``config`` can be told to leave out."""

    interpolate: bool = True
    normalise: bool = True
    resolve_paths: bool = True
    resolve_environment: bool = True
    consistency: bool = True


@attrs.frozen(kw_only=True)
class Document:
    """A stack file as it is understood, before anything is made of it.

    ``tree`` is settled and holds everything, ``selected`` only what is active and used.
    ``obstacles`` are the reasons why it cannot be brought up, though it is valid.
    """

    name: str
    directory: str
    files: tuple[str, ...]
    tree: Node
    selected: Node
    variables: Variables
    scopes: Mapping[str, Variables]
    reader: Reader
    warnings: tuple[str, ...] = ()
    obstacles: tuple[errors.Problem, ...] = ()
    idle: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Loaded:
    """A loaded stack, and everything that another load would depend on.

    ``variables`` are the caller's that were consulted, and what they were.
    """

    stack: Stack
    inputs: tuple[InputFile, ...]
    variables: Mapping[str, str | None]


def load_stack(request: LoadRequest) -> Loaded:
    """The stack a request names; raises ``StackFileError`` with every problem of the failing pass."""
    from composer.stackfile import bind  # ``config`` needs neither it nor the model

    document = read_document(request)
    raise_if(list(document.obstacles))
    if document.name == names.DEFAULT_STACK and not request.is_by_hand:
        message = f"the name {document.name} is reserved for containers that belong to no stack file"
        raise_if([errors.Problem(message, hint="Name the stack with `name:` or -p.")])
    stack = bind.bound(document, (*document.warnings, *document.idle))
    return Loaded(
        stack=stack,
        inputs=tuple(document.reader.inputs.values()),
        variables=dict(document.variables.consulted),
    )


def read_document(request: LoadRequest, passes: Omissions | None = None) -> Document:
    """The file a request names, checked and settled; raises ``StackFileError``."""
    passes = Omissions() if passes is None else passes
    reader = Reader(request.stdin)
    location = locate.locate(request, reader)
    variables = location.variables
    warnings: dict[str, None] = {}
    assembler = assemble.Assembler(
        reader,
        assemble.Options(interpolate=passes.interpolate, resolve_paths=passes.resolve_paths),
        warnings.setdefault,
    )
    files = [(file, assembler.parse(file)) for file in location.files]
    name = _name(request, location, files)
    variables.set_project_name(name)
    base = location.directory
    root = assembler.stack(
        files, assemble.Scope(directory=location.directory, base=base, variables=variables)
    )
    assert isinstance(root.value, dict)
    raise_if([] if root.value else [_nothing_in(location.files)])
    root.value["name"] = Node(name, root.place)
    document = Document(
        name=name,
        directory=location.directory,
        files=location.files,
        tree=root,
        selected=root,
        variables=variables,
        scopes=assembler.scopes,
        reader=reader,
    )
    if passes.interpolate:
        document = _settled(document, request, passes)
    elif passes.normalise:
        # Text with variables in it has no type yet: the tree is shown as it is.
        normalise.normalise(root, name, lambda _name: None)
    return attrs.evolve(document, warnings=tuple(warnings))


def _nothing_in(files: tuple[str, ...]) -> errors.Problem:
    return errors.Problem("empty compose file", file=files[0], line=1, column=1, hint="Write services: {}.")


def _settled(document: Document, request: LoadRequest, passes: Omissions) -> Document:
    """The passes that need every value to have its type."""
    root, variables = document.tree, document.variables
    found: list[errors.Problem] = []
    attributes.STACK.settle(root, (), found)
    raise_if(found)
    raise_if(rules.structure(root))
    if passes.normalise:
        normalise.normalise(root, document.name, variables.get)
    active = selection.active_services(root, _wanted_profiles(request, variables), request.services)
    if passes.consistency:
        raise_if(rules.consistency(root, active))
    if passes.resolve_environment:
        for service in sorted(active):
            environment.resolve(
                service, section(root, "services")[service], variables, document.reader, found
            )
        raise_if(found)
    selected = selection.selected(root, active)
    findings = support.findings(selected)
    return attrs.evolve(
        document,
        selected=selected,
        obstacles=tuple(sorted([*feasibility.obstacles(selected), *findings.refused])),
        idle=findings.idle,
    )


def _wanted_profiles(request: LoadRequest, variables: Variables) -> tuple[str, ...]:
    """``COMPOSE_PROFILES`` counts only without ``--profile``."""
    listed = request.profiles or (variables.get("COMPOSE_PROFILES") or "").split(",")
    return tuple(word for profile in listed if (word := profile.strip()))


def _name(request: LoadRequest, location: locate.Location, files: list[tuple[str, list[Node]]]) -> str:
    written: Node | None = None
    for _, documents in files:
        for document in documents:
            child = document.child("name")
            if child is not None and isinstance(child.value, str):
                written = child
    if written is not None and "$" in str(written.value):
        written = Node({"name": copied(written)}, Place("", 0, 0))
        raise_if(interpolate.interpolate_tree(written, location.variables.get, lambda _name, _node: None))
        written = written.child("name")
    text = str(written.value) if written is not None else None
    return locate.name_from(request, location.variables, text, location.directory)
