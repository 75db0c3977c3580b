"""Loading a stack file: the list of passes, in order, and nothing else.

locate -> parse -> interpolate -> (per file) schema -> merge -> resets -> canonical -> rules ->
profiles -> bind.  Each pass reports every problem it finds; the next begins only on a clean tree.
Schema comes after interpolation, because ``${PORT}`` is only then a number, and before merging, so
that a problem points into the file that has it.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from composer import errors
from composer.model.stack import Stack
from composer.stackfile import (
    bind,
    canonical,
    interpolate,
    locate,
    merge,
    profiles,
    rules,
    schema,
    yamltree,
)
from composer.stackfile.locate import LoadRequest, Variables
from composer.stackfile.reader import InputFile, Reader
from composer.stackfile.tree import Node, Place, plain

MOST_PROBLEMS = schema.MOST_PROBLEMS

__all__ = ["InputFile", "LoadRequest", "Loaded", "load_stack"]


@attrs.frozen(kw_only=True)
class Loaded:
    """A loaded stack, its canonical tree, and everything that another load would depend on."""

    stack: Stack
    canonical: Mapping[str, object]
    inputs: tuple[InputFile, ...]
    variables: Mapping[str, str | None]


def load_stack(request: LoadRequest) -> Loaded:
    """The stack a request names; raises ``StackFileError`` with every problem of the failing pass."""
    reader = Reader(request.stdin)
    location = locate.locate(request, reader)
    variables = location.variables
    warnings: dict[str, None] = {}

    documents = [node for file in location.files for node in _documents(file, reader)]
    written = _written_name(documents, variables)
    name = locate.name_from(request, variables, written, location.directory)
    variables.set_project_name(name)

    for node in documents:
        _interpolate(node, variables, warnings)
        _raise(schema.problems_in(node))
    root = documents[0]
    for node in documents[1:]:
        root = merge.merged(root, node)
    root = merge.without_resets(root)
    if root.child("version") is not None:
        warnings["the attribute `version` is obsolete and ignored"] = None
    _raise(canonical.canonicalise(root))
    _raise(rules.problems_in(root))
    active, found = profiles.active_services(root, _wanted_profiles(request, variables), request.services)
    _raise(found)
    around = bind.Surroundings(
        name=name,
        directory=location.directory,
        files=location.files,
        variables=variables,
        reader=reader,
    )
    stack = bind.bound(root, active, around, tuple(warnings))
    tree = plain(root)
    assert isinstance(tree, dict)
    return Loaded(
        stack=stack,
        canonical=tree,
        inputs=tuple(reader.inputs.values()),
        variables=dict(variables.consulted),
    )


def _wanted_profiles(request: LoadRequest, variables: Variables) -> tuple[str, ...]:
    """``COMPOSE_PROFILES`` counts only without ``--profile``."""
    listed = request.profiles or (variables.get("COMPOSE_PROFILES") or "").split(",")
    return tuple(word for profile in listed if (word := profile.strip()))


def _documents(file: str, reader: Reader) -> list[Node]:
    content = reader.read(file)
    if content is None:
        raise errors.StackFileError([errors.Problem("no such file", file=file)])
    nodes = [node for node in yamltree.read_documents(content, file) if node.value is not None]
    if not nodes:
        raise errors.StackFileError(
            [errors.Problem("the file is empty", file=file, hint="It needs services.")]
        )
    for node in nodes:
        if not isinstance(node.value, dict):
            place = node.place
            raise errors.StackFileError(
                [
                    errors.Problem(
                        "expected a mapping at the top", file=file, line=place.line, column=place.column
                    )
                ]
            )
    return nodes


def _written_name(documents: list[Node], variables: Variables) -> str | None:
    name: str | None = None
    for node in documents:
        child = node.child("name")
        if child is not None and isinstance(child.value, str):
            name = child.value
    if name is not None and "$" in name:
        node = Node(name, Place("", 0, 0))
        _raise(interpolate.interpolate_tree(node, variables.get, lambda _name, _node: None))
        return str(node.value)
    return name


def _interpolate(node: Node, variables: Variables, warnings: dict[str, None]) -> None:
    def on_unset(name: str, where: Node) -> None:
        place = where.place
        text = f"{place.file}:{place.line}: the variable {name} is not set; a blank string is used"
        warnings[text] = None

    _raise(interpolate.interpolate_tree(node, variables.get, on_unset))


def _raise(found: list[errors.Problem]) -> None:
    if found:
        raise errors.StackFileError(sorted(found)[:MOST_PROBLEMS])
