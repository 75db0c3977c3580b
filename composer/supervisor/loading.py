"""Loads the stack file for a request, and knows when loading again would give the same.

A loaded stack is kept with the files it was read from (path, modification time, size, inode) and
the environment variables that were consulted.  While all of these are as they were, the same
request gets the same stack without reading YAML; this is what makes an ``up`` that changes nothing
cheap.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from composer.stackfile import load

if TYPE_CHECKING:
    from collections.abc import Mapping


def request_from(source: Mapping[str, object], services: tuple[str, ...] = ()) -> load.LoadRequest:
    """The loader's request, from the ``source`` object that clients send."""
    stdin = source.get("stdin")
    environment = source.get("environment")
    return load.LoadRequest(
        directory=str(source.get("directory") or "/"),
        files=_texts(source.get("files")),
        project_name=_text(source.get("project_name")),
        project_directory=_text(source.get("project_directory")),
        profiles=_texts(source.get("profiles")),
        env_files=_texts(source.get("env_files")),
        environment={str(k): str(v) for k, v in environment.items()} if isinstance(environment, dict) else {},
        services=services,
        stdin=stdin.encode("utf-8", "surrogateescape") if isinstance(stdin, str) else None,
    )


class Loader:
    """Loads on request and remembers the last result."""

    def __init__(self) -> None:
        self._request: load.LoadRequest | None = None
        self._loaded: load.Loaded | None = None

    def remember(self, request: load.LoadRequest, loaded: load.Loaded) -> None:
        """Take over what the process that forked us had loaded already."""
        self._request, self._loaded = request, loaded

    def loaded(self, request: load.LoadRequest) -> load.Loaded:
        """The stack for a request; raises ``StackFileError``."""
        if self._loaded is not None and self._request is not None and self._is_current(request):
            return self._loaded
        self._loaded = None
        loaded = load.load_stack(request)
        self.remember(request, loaded)
        return loaded

    def _is_current(self, request: load.LoadRequest) -> bool:
        assert self._request is not None
        assert self._loaded is not None
        if attrs.evolve(request, environment={}) != attrs.evolve(self._request, environment={}):
            return False
        variables = self._loaded.variables.items()
        if any(request.environment.get(name) != value for name, value in variables):
            return False
        return all(_is_unchanged(file) for file in self._loaded.inputs)


def _is_unchanged(file: load.InputFile) -> bool:
    try:
        status = os.stat(file.path)
    except OSError:
        return file.size < 0
    return (status.st_mtime_ns, status.st_size, status.st_ino) == (file.mtime_ns, file.size, file.inode)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
