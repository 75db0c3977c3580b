"""Which files, which directory, which name: before anything of a stack is loaded.

Rules of Docker Compose: ``-f`` beats ``COMPOSE_FILE`` beats discovery in the directory and its
parents; the project directory is that of the first file; the name is ``-p``, then
``COMPOSE_PROJECT_NAME``, then ``name:`` in the file, then the directory's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import attrs

from composer import errors
from composer.model import names
from composer.stackfile import dotenv
from composer.stackfile.reader import LARGEST_ENV_FILE, InputFile, Reader

CANDIDATES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = ("compose.override.yaml", "compose.override.yml",
              "docker-compose.override.yml", "docker-compose.override.yaml")  # fmt: skip
_NAME_LINE = re.compile(rb"^name:[ \t]*(['\"]?)([^'\"#\r\n]*?)\1[ \t]*(?:#.*)?\r?$", re.MULTILINE)


@attrs.frozen(kw_only=True)
class LoadRequest:
    """What to load, from where, in whose environment.

    ``services`` are those named on the command line: their profiles become active.  ``is_by_hand`` says
    that the file was made from flags of ``composer container run``.
    """

    directory: str
    files: tuple[str, ...] = ()
    project_name: str | None = None
    project_directory: str | None = None
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict)
    services: tuple[str, ...] = ()
    stdin: bytes | None = None
    is_by_hand: bool = False


class Variables:
    """The variables of interpolation: the caller's environment over the ``.env`` files.

    Remembers which of the caller's were consulted and what they were.  An included stack has
    variables of its own, laid below those of the stack that includes it.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        parent: Variables | None = None,
        *,
        working_directory: str | None = None,
    ) -> None:
        self._environment = environment
        self._working_directory = working_directory
        self._parent = parent
        self._project_name: str | None = None
        self._from_files: dict[str, tuple[str | None, Origin]] = {}
        self.consulted: dict[str, str | None] = {} if parent is None else parent.consulted

    def below(self) -> Variables:
        """The variables of an included stack, before its own ``.env`` is read."""
        return Variables(self._environment, self)

    def of_caller(self, name: str) -> str | None:
        """The caller's own value."""
        value = self._environment.get(name)
        self.consulted[name] = value
        return value

    def get(self, name: str) -> str | None:
        """The caller's value, else that of the ``.env`` files."""
        return self.found(name)[0]

    def found(self, name: str) -> tuple[str | None, Origin]:
        """A value and where it comes from."""
        if self._parent is not None:
            value, origin = self._parent.found(name)
        elif name == "COMPOSE_PROJECT_NAME" and self._project_name is not None:
            return self._project_name, Origin("the project name")
        else:
            value, origin = self.of_caller(name), Origin("the shell")
            if value is None and name == "PWD":  # what a shell would say
                value, origin = self._working_directory, Origin("the working directory")
        if value is None:
            value, origin = self._from_files.get(name, (None, Origin("")))
        return value, origin

    def add_file(self, path: str, values: dotenv.Values) -> None:
        """Lay another ``.env`` file over the former ones."""
        for name, value in values.items():
            self._from_files[name] = (value, Origin(path, values.lines.get(name, 0)))

    def set_project_name(self, name: str) -> None:
        """From now on ``COMPOSE_PROJECT_NAME`` is the stack's name, whoever gave it."""
        self._project_name = name

    def everything(self) -> dict[str, str]:
        """All of them, by name."""
        found = {name: value for name, (value, _) in self._from_files.items() if value is not None}
        found.update(self._environment)
        if self._project_name is not None:
            found["COMPOSE_PROJECT_NAME"] = self._project_name
        return dict(sorted(found.items()))


@attrs.frozen
class Origin:
    """Where a variable got its value: a file and line, or a word such as ``the shell``."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@attrs.frozen(kw_only=True)
class Location:
    """Where a stack is: absolute files (``-`` for stdin), project directory, its variables."""

    files: tuple[str, ...]
    directory: str
    variables: Variables


def locate(request: LoadRequest, reader: Reader) -> Location:
    """Find files and directory and read the ``.env`` files; raises ``StackFileError``."""
    variables = Variables(request.environment, working_directory=request.directory)
    # Relative to the caller's directory: this may run in a supervisor, whose own is another.
    directory = _absolute(request.directory, request.project_directory) if request.project_directory else ""
    listed = request.files or _from_environment(variables)
    if not listed and not request.project_directory:
        _read_env_files(request, reader, variables, request.directory)
        listed = _from_environment(variables)
    start = directory or request.directory
    files = tuple(_absolute(request.directory, file) for file in listed) or _discover(start, reader)
    if not directory:
        first = files[0]
        directory = request.directory if first == "-" else os.path.dirname(first)
    _read_env_files(request, reader, variables, directory)
    return Location(files=files, directory=directory, variables=variables)


def _absolute(base: str, path: str) -> str:
    return path if path == "-" else os.path.normpath(os.path.join(base, path))


def _from_environment(variables: Variables) -> tuple[str, ...]:
    value = variables.get("COMPOSE_FILE")
    if not value:
        return ()
    separator = variables.get("COMPOSE_PATH_SEPARATOR") or ":"
    return tuple(part for part in value.split(separator) if part)


def _discover(start: str, reader: Reader) -> tuple[str, ...]:
    directory = start
    while True:
        for name in CANDIDATES:
            path = os.path.join(directory, name)
            if reader.exists(path):
                return (path, *_override_beside(directory, reader))
        parent = os.path.dirname(directory)
        if parent == directory:
            message = f"no stack file in {start} or above"
            hint = f"Expected one of {', '.join(CANDIDATES)}; -f names another."
            raise errors.StackFileError([errors.Problem(message, hint=hint)])
        directory = parent


def _override_beside(directory: str, reader: Reader) -> tuple[str, ...]:
    for name in _OVERRIDES:
        path = os.path.join(directory, name)
        if reader.exists(path):
            return (path,)
    return ()


def _read_env_files(request: LoadRequest, reader: Reader, variables: Variables, directory: str) -> None:
    """``--env-file``, else ``COMPOSE_ENV_FILES``, else ``.env`` of the project directory."""
    listed = request.env_files
    if not listed and (value := variables.of_caller("COMPOSE_ENV_FILES")):
        listed = tuple(part for part in value.split(",") if part)
    if listed:
        for path in listed:
            full = _absolute(request.directory, path)
            content = reader.read(full, limit=LARGEST_ENV_FILE)
            if content is None:
                raise errors.StackFileError([errors.Problem("env file not found", file=full)])
            variables.add_file(full, parsed(content, full, variables.get))
        return
    if (variables.of_caller("COMPOSE_DISABLE_ENV_FILE") or "").lower() in ("1", "true"):
        return
    full = os.path.join(directory, ".env")
    content = reader.read(full, limit=LARGEST_ENV_FILE)
    if content is not None:
        variables.add_file(full, parsed(content, full, variables.get))


def parsed(content: bytes, path: str, lookup: Callable[[str], str | None]) -> dotenv.Values:
    """The variables of an ``.env`` file's bytes."""
    return dotenv.parse(content.decode("utf-8", errors="replace"), path, lookup)


def name_from(request: LoadRequest, variables: Variables, written: str | None, directory: str) -> str:
    """The stack's name; raises ``StackFileError`` when the given one is invalid."""
    given = request.project_name or variables.get("COMPOSE_PROJECT_NAME")
    if given:
        if not names.STACK_NAME.fullmatch(given):
            message = f"invalid project name {given!r}"
            hint = "Use lower-case letters, digits, dashes and underscores; begin with a letter or digit."
            raise errors.StackFileError([errors.Problem(message, hint=hint)])
        return given
    for text in (written, os.path.basename(directory)):
        name = names.stack_name_from(text) if text else ""
        if name:
            return name
    message = "the stack has no name"
    raise errors.StackFileError([errors.Problem(message, hint="Give it one with `name:` or -p.")])


def project_name(request: LoadRequest) -> str:
    """The stack's name without loading the stack: for ``ps``, ``down``, ``logs`` and their like."""
    return project_name_and_inputs(request)[0]


def project_name_and_inputs(request: LoadRequest) -> tuple[str, tuple[InputFile, ...]]:
    """The name, and the files that decided it."""
    reader = Reader(request.stdin)
    if request.project_name:
        return name_from(request, Variables(request.environment), None, ""), ()
    location = locate(request, reader)
    written: str | None = None
    for file in location.files:
        content = reader.read(file)
        match = _NAME_LINE.search(content or b"")
        if match:
            written = _interpolated(match[2].decode("utf-8", errors="replace"), location.variables)
    name = name_from(request, location.variables, written, location.directory)
    return name, tuple(reader.inputs.values())


def _interpolated(text: str, variables: Variables) -> str:
    from composer.stackfile import interpolate

    try:
        return interpolate.interpolate(text, variables.get, lambda _name: None)
    except interpolate.InterpolationError as error:
        raise errors.StackFileError([errors.Problem(f"name: {error}")]) from error
