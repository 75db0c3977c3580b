"""From files to one canonical tree: reading, including, extending, merging.

For every document of every file, in order: interpolate, extend, include, merge over what there is,
then check against the schema and bring to canonical form, so that the next file meets one shape.
An included stack goes through the same with its own directory and variables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import attrs

from composer import errors
from composer.stackfile import (
    canonical,
    extends,
    include,
    interpolate,
    locate,
    merge,
    normalise,
    paths,
    schema,
    unicity,
    yamltree,
)
from composer.stackfile.locate import Variables
from composer.stackfile.reader import LARGEST_ENV_FILE, Reader
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Table, Timestamp, problem

MOST_PROBLEMS = schema.MOST_PROBLEMS
DEEPEST_INCLUDE = 32
MOST_FILES = 500
"""Files that one load may read through ``include`` and ``extends``: a chain can double at each link."""


@attrs.frozen(kw_only=True)
class Options:
    """What ``config`` can leave out."""

    interpolate: bool = True
    resolve_paths: bool = True
    check: bool = True


@attrs.frozen(kw_only=True)
class Scope:
    """One stack among those that include each other.

    ``directory`` is absolute and where files are looked for; ``base`` is what paths in the result
    start from: the same, or a relative one when paths are not to be resolved.
    """

    directory: str
    base: str
    variables: Variables
    chain: tuple[str, ...] = ()


class Assembler:
    """Reads stack files into one tree.  Every method raises ``StackFileError`` with all it found."""

    def __init__(self, reader: Reader, options: Options, warn: Callable[[str], None]) -> None:
        self._reader = reader
        self._options = options
        self._warn = warn
        self._count = 0
        self.scopes: dict[str, Variables] = {}

    def parse(self, file: str, via: tuple[str, ...] = (), at: errors.Problem | None = None) -> list[Node]:
        """The documents of a file that hold anything; ``at`` is where somebody named the file."""
        self._count += 1
        if self._count > MOST_FILES:
            raise errors.StackFileError([_elsewhere(at, f"more than {MOST_FILES} files", file)])
        content = self._reader.read(file)
        if content is None:
            raise errors.StackFileError([_elsewhere(at, f"no such file: {file}", file)])
        nodes = [node for node in yamltree.read_documents(content, file, via) if node.value is not None]
        if not nodes:
            problem = errors.Problem("the file is empty", file=file, hint="It needs services.", via=via)
            raise errors.StackFileError([problem])
        wrong = [node.place for node in nodes if not isinstance(node.value, dict)]
        raise_if(
            errors.Problem(
                "expected a mapping at the top", file=file, line=place.line, column=place.column, via=via
            )
            for place in wrong
        )
        return nodes

    def stack(self, files: list[tuple[str, list[Node]]], scope: Scope) -> Node:
        """The canonical tree of one stack, its paths resolved."""
        root: Node | None = None
        for file, documents in files:
            for document in documents:
                root = self._laid_over(root, document, file, scope)
        assert root is not None
        raise_if(_bad_scalars(root))
        normalise.fill_in(root)
        resolve = self._options.resolve_paths or len(scope.chain) > 0
        if resolve:
            paths.absolute(root, scope.base, scope.variables.of_caller("HOME"))
        _resolve_variables(root, scope.variables)
        return root

    def _laid_over(self, root: Node | None, document: Node, file: str, scope: Scope) -> Node:
        """One document merged over what there is, checked and canonical."""
        self._interpolate(document, file, scope)
        found: list[errors.Problem] = []

        def opened(name: str, source: extends.Source, where: Node) -> extends.Source | None:
            return self._opened(name, source, where, scope, found)

        extender = extends.Extender(opened, found)
        extender.apply(document, file, scope.directory)
        raise_if(found)
        self._include(document, file, scope)
        root = document if root is None else merge.merged(root, document, (), found)
        root = merge.without_resets(root)
        found += unicity.enforce(root)
        wrong = schema.problems_in(root) if self._options.check else []
        said = {(problem.file, problem.line, problem.column) for problem in wrong}
        raise_if([*wrong, *(other for other in found if (other.file, other.line, other.column) not in said)])
        if isinstance(root.value, dict) and root.value.pop("version", None) is not None:
            self._warn(f"{file}: the attribute `version` is obsolete, it is ignored; remove it")
        raise_if(
            [*canonical.canonicalise(root, lenient=not self._options.interpolate), *unicity.enforce(root)]
        )
        return root

    def _interpolate(self, document: Node, file: str, scope: Scope) -> None:
        self.scopes[file] = scope.variables
        if not self._options.interpolate:
            return

        def on_unset(name: str, where: Node) -> None:
            place = where.place
            self._warn(f"{place.file}:{place.line}: the variable {name} is not set; a blank string is used")

        raise_if(interpolate.interpolate_tree(document, scope.variables.get, on_unset))

    # ------------------------------------------------------------------ extends

    def _opened(
        self, name: str, source: extends.Source, where: Node, scope: Scope, found: list[errors.Problem]
    ) -> extends.Source | None:
        """The services of a file that ``extends`` names: canonical, with their paths resolved."""
        via = (*where.place.via, f"{where.place.file}:{where.place.line}")
        if len(via) > DEEPEST_INCLUDE:
            found.append(problem(where, (), f"files extend each other more than {DEEPEST_INCLUDE} deep"))
            return None
        file = os.path.normpath(os.path.join(source.directory, name))
        documents = self.parse(file, via, problem(where, (), ""))
        root: Node | None = None
        for document in documents:
            self._interpolate(document, file, scope)
            root = document if root is None else merge.merged(root, document, (), found)
        assert root is not None
        root = merge.without_resets(root)
        services = root.child("services")
        if services is None or not isinstance(services.value, dict):
            found.append(problem(where, (), f"{file} has no services"))
            return None
        found += unicity.enforce(root)
        found += canonical.canonicalise(root, lenient=not self._options.interpolate)
        directory = os.path.dirname(file)
        base = directory if self._options.resolve_paths else os.path.relpath(directory, scope.directory)
        if found:
            return None
        paths.absolute(root, base, scope.variables.of_caller("HOME"))
        return extends.Source(file, directory, services.value)

    # ------------------------------------------------------------------ include

    def _include(self, document: Node, file: str, scope: Scope) -> None:
        found: list[errors.Problem] = []
        for entry in include.entries(document, found):
            if not entry.files:
                continue
            included = self._included(entry, file, scope)
            include.adopt(document, included, found)
        raise_if(found)
        if isinstance(document.value, dict):
            document.value.pop("include", None)

    def _included(self, entry: include.Entry, file: str, scope: Scope) -> Node:
        chain = (*scope.chain, file)
        place = entry.node.place
        via = (*place.via, f"{place.file}:{place.line}")
        listed = [_joined(scope.directory, scalar_text(node.value)) for node in entry.files]
        directory = os.path.dirname(listed[0])
        if entry.project_directory:
            directory = _joined(scope.directory, entry.project_directory)
        if listed[0] in chain:
            shown = " -> ".join((*chain[chain.index(listed[0]) :], listed[0]))
            raise errors.StackFileError(
                [problem(entry.node, entry.path, f"files include each other: {shown}")]
            )
        if len(chain) > DEEPEST_INCLUDE:
            message = f"files include each other more than {DEEPEST_INCLUDE} deep"
            raise errors.StackFileError([problem(entry.node, entry.path, message)])
        variables = scope.variables.below()
        for path in self._env_files(entry, directory, scope):
            content = self._reader.read(path, limit=LARGEST_ENV_FILE)
            if content is not None:
                variables.add_file(path, locate.parsed(content, path, scope.variables.get))
        base = directory if self._options.resolve_paths else os.path.relpath(directory, scope.directory)
        inner = Scope(directory=directory, base=base, variables=variables, chain=chain)
        at = problem(entry.node, entry.path, "")
        return self.stack([(path, self.parse(path, via, at)) for path in listed], inner)

    def _env_files(self, entry: include.Entry, directory: str, scope: Scope) -> Iterator[str]:
        if entry.env_files is None:
            beside = os.path.join(directory, ".env")
            if self._reader.exists(beside) and not os.path.isdir(beside):
                yield beside
            return
        for name in entry.env_files:
            if name == "/dev/null":
                continue
            path = _joined(scope.directory, name)
            if not self._reader.exists(path) or os.path.isdir(path):
                message = f"env file {path} not found"
                raise errors.StackFileError([problem(entry.node, (*entry.path, "env_file"), message)])
            yield path


def _joined(directory: str, path: str) -> str:
    return os.path.normpath(os.path.join(directory, path))


def _elsewhere(at: errors.Problem | None, message: str, file: str) -> errors.Problem:
    """A problem with a file, at the place where it was named."""
    if at is None:
        return errors.Problem(message if file not in message else "no such file", file=file)
    return errors.Problem(
        message, file=at.file, line=at.line, column=at.column, path=at.path, hint=at.hint, via=at.via
    )


def raise_if(found: list[errors.Problem] | Iterator[errors.Problem]) -> None:
    """Raise what was found, in the order of the file, if anything was."""
    problems = sorted(found)
    if problems:
        raise errors.StackFileError(problems[:MOST_PROBLEMS])


def _bad_scalars(root: Node) -> Iterator[errors.Problem]:
    """Dates: no attribute is one, and text that looks like one needs quotes."""
    stack: list[tuple[Node, tuple[str | int, ...]]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        if isinstance(node.value, dict):
            stack.extend(
                (child, (*path, key)) for key, child in node.value.items() if not key.startswith("x-")
            )
        elif isinstance(node.value, list):
            stack.extend((child, (*path, index)) for index, child in enumerate(node.value))
        elif isinstance(node.value, Timestamp):
            yield problem(node, path, "expected text, found a date", hint="Put it in quotes.")


_OPEN_VARIABLES: Table[None] = Table([("services.*.environment", None)])


def _resolve_variables(root: Node, variables: Variables) -> None:
    """``KEY`` without a value takes that of the stack it is written in: an included one has its own."""
    for node, _, _ in _OPEN_VARIABLES.select(root):
        for key, child in node.entries():
            normalise.take_from_variable(child, key, variables.get)
        for item in node.items():
            name = scalar_text(item.value)
            if "=" not in name and (value := variables.get(name)) is not None:
                item.value, item.written = f"{name}={value}", f"{name}=${{{name}}}"
