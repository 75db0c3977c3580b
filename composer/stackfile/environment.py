"""``env_file`` and ``label_file`` of the active services: read, and laid below what the file says.

Precedence (Compose Specification, "environment"): ``environment`` over ``env_file``, a later file
over an earlier one.  Variables in an ``env_file`` mean, in this order, the caller's and ``.env``'s, the
service's own ``environment``, earlier lines, earlier files; in a ``label_file`` earlier files, then
earlier lines.
"""

from __future__ import annotations

from collections.abc import Callable

from composer import errors
from composer.stackfile import dotenv
from composer.stackfile.locate import Variables
from composer.stackfile.reader import LARGEST_ENV_FILE, Reader
from composer.stackfile.scalars import scalar_text, shown
from composer.stackfile.tree import Node, Path, Place, problem

Problems = list[errors.Problem]
Lookup = Callable[[str], "str | None"]


def resolve(name: str, service: Node, variables: Variables, reader: Reader, problems: Problems) -> None:
    """Give a service the environment and labels of its files, in place; the files' names are dropped."""
    if not isinstance(service.value, dict):
        return
    files = _Files(name, reader, problems)
    if "env_file" in service.value:
        _environment(service.value, files, variables)
    if "label_file" in service.value:
        _labels(service.value, files)


def _environment(service: dict[str, Node], files: _Files, variables: Variables) -> None:
    listed = service.pop("env_file")
    own = service.setdefault("environment", Node({}, listed.place))
    written = {key: child.value for key, child in own.entries()}
    found: dict[str, Node] = {}

    def lookup(key: str) -> str | None:
        value = variables.get(key)
        if value is None and written.get(key) is not None:
            value = scalar_text(written[key])
        return value

    for index, item in enumerate(listed.items()):
        found.update(files.entries(item, ("env_file", index), lookup, found))
    _lay_over(found, own)


def _labels(service: dict[str, Node], files: _Files) -> None:
    listed = service.pop("label_file")
    own = service.setdefault("labels", Node({}, listed.place))
    found: dict[str, Node] = {}
    for index, item in enumerate(listed.items()):
        file = Node({"path": item}, item.place)
        found.update(files.entries(file, ("label_file", index), lambda key: _value_in(found, key), {}))
    _lay_over(found, own)


def _lay_over(found: dict[str, Node], own: Node) -> None:
    """What the stack file says wins over what the files say."""
    for key, node in own.entries():
        node.former = found.get(key, node.former)
        found[key] = node
    own.value = found


class _Files:
    """Reads the files of one service."""

    def __init__(self, service: str, reader: Reader, problems: Problems) -> None:
        self._path: Path = ("services", service)
        self._reader = reader
        self._problems = problems

    def entries(self, item: Node, where: Path, lookup: Lookup, before: dict[str, Node]) -> dict[str, Node]:
        """The variables of one file, each at its line; none when there is a problem with it.

        ``before`` are those of the files before it.
        """
        path = (*self._path, *where)
        file, required, style = (item.child(key) for key in ("path", "required", "format"))
        if file is None or not isinstance(file.value, str):
            self._problems.append(problem(item, path, "expected the path of a file"))
            return {}
        is_raw = style is not None and style.value == "raw"
        if style is not None and style.value not in (None, "", "raw"):
            message = f"{shown(style.value)} is no format"
            self._problems.append(problem(style, (*path, "format"), message, hint=_FORMATS))
            return {}
        content = self._reader.read(file.value, limit=LARGEST_ENV_FILE)
        if content is None:
            if required is None or required.value is not False:
                message = f"{where[0]} {file.value} not found"
                self._problems.append(problem(file, path, message, hint=_REQUIRED))
            return {}
        via = (*file.place.via, f"{file.place.file}:{file.place.line}")
        text = content.decode("utf-8", errors="replace")
        if is_raw:
            values = dotenv.parse_raw(text, file.value, lookup)
        else:
            values = dotenv.parse(text, file.value, lookup, lambda key: _value_in(before, key))
        return {
            key: Node(value, Place(file.value, values.lines.get(key, 0), 1, via))
            for key, value in values.items()
            if value is not None
        }


def _value_in(nodes: dict[str, Node], key: str) -> str | None:
    return scalar_text(nodes[key].value) if key in nodes else None


_FORMATS = "The only format is raw; without one quotes and variables are interpreted."
_REQUIRED = "An env_file that may be missing says required: false."
