"""``extends``: a service on top of another, of the same document or of another file.

The other is taken as it stands there, its own ``extends`` resolved first; this one's attributes are
merged over it.  What the other file defines besides (volumes, networks) does not come along.
Source: Compose Specification, "extends"; order of things as in Docker Compose v2.40.3.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from composer import errors
from composer.stackfile import merge
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, copied, problem

Problems = list[errors.Problem]

_SERVICES = "Write each service as NAME: {image: ...}."


@attrs.frozen
class Source:
    """The services of a document: ``file`` as messages name it, ``directory`` that paths start from."""

    file: str
    directory: str
    services: dict[str, Node]


Open = Callable[[str, Source, Node], "Source | None"]
"""Opens the file that an ``extends`` names; ``None`` when it cannot, the problem being reported."""

Link = tuple[str, str]
"""A file and a service of it, on the way from one service to what it extends."""


class Extender:
    """Resolves every ``extends`` of one document."""

    def __init__(self, open_file: Open, problems: Problems) -> None:
        self._open = open_file
        self._problems = problems

    def apply(self, root: Node, file: str, directory: str) -> None:
        """Replace each service of the document by what it is with what it extends."""
        services = root.child("services")
        if services is None or services.override == "reset":
            return
        if not isinstance(services.value, dict):
            self._problems.append(
                problem(services, ("services",), "expected a mapping of services", hint=_SERVICES)
            )
            return
        source = Source(file, directory, services.value)
        for name in list(services.value):
            self._resolved(source, name, ())

    def _resolved(self, source: Source, name: str, chain: tuple[Link, ...]) -> Node:
        service = source.services[name]
        written = service.child("extends")
        if written is None or written.override == "reset" or not isinstance(service.value, dict):
            return service
        path: Path = ("services", name, "extends")
        base = self._base(source, written, path, (*chain, (source.file, name)))
        if base is not None and base.value is None:
            return service
        del service.value["extends"]  # also where there is a problem: who extends this one need not repeat it
        if base is None:
            return service
        base = merge.without_resets(copied(base))
        source.services[name] = merge.merged(base, service, ("services", name), self._problems)
        return source.services[name]

    def _base(self, source: Source, written: Node, path: Path, chain: tuple[Link, ...]) -> Node | None:
        """The service that is extended, itself resolved; ``None`` when there is a problem with it."""
        file, wanted = written.child("file"), written.child("service")
        if isinstance(written.value, str):
            wanted = written
        if wanted is None or not isinstance(wanted.value, str):
            self._problems.append(
                problem(written, path, "expected a service to extend", hint="extends: {service: NAME}")
            )
            return None
        there: Source | None = source
        if file is not None:
            there = self._open(scalar_text(file.value), source, file)
        if there is None:
            return None
        if wanted.value not in there.services:
            message = f"cannot extend {wanted.value!r}: {there.file} has no such service"
            hint = "" if file is not None else "Without file: it is looked for in the same document."
            self._problems.append(problem(wanted, path, message, hint=hint))
            return None
        link = (there.file, wanted.value)
        if link in chain:
            shown = " -> ".join(service for _, service in (*chain[chain.index(link) :], link))
            self._problems.append(problem(written, path, f"services extend each other: {shown}"))
            return None
        return self._resolved(there, wanted.value, chain)
