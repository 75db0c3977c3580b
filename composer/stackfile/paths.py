"""Relative paths become absolute: a table of the attributes that are paths.

They are relative to the project directory, for an included or extended file to that file's.
Source: Compose Specification, "Relative paths"; exceptions as in Docker Compose v2.40.3.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from composer.stackfile.tree import Node, Table

_REMOTE = re.compile(
    r"(https?|git|ssh|docker-image|oci-layout|target)://|git@|github\.com/|service:|[a-z0-9+.-]+://"
)
_WINDOWS = re.compile(r"([A-Za-z]:[\\/]|\\\\)")


def absolute(root: Node, directory: str, home: str | None) -> None:
    """Make the paths of a canonical tree start from ``directory``, in place.

    ``directory`` may itself be relative: then the paths stay so, but start from its parent's place.
    """
    for node, _, resolve in TABLE.select(root):
        resolve(node, directory, home)


Resolve = Callable[[Node, str, "str | None"], None]


def joined(directory: str, path: str, home: str | None) -> str:
    """One path; ``~`` is the caller's home.  An absolute one stays as it is written."""
    if os.path.isabs(path):
        return path
    if path.startswith("~") and home:
        path = os.path.join(home, path[1:].lstrip("/"))
    return _cleaned(os.path.join(directory, path))


def _cleaned(path: str) -> str:
    """Without dots and doubled slashes; unlike POSIX, two leading slashes are one (as in Go)."""
    normal = os.path.normpath(path)
    return normal[1:] if normal.startswith("//") else normal


def _path(node: Node, directory: str, home: str | None) -> None:
    if isinstance(node.value, str) and node.value and not _WINDOWS.match(node.value):
        node.value = joined(directory, node.value, home)


def _context(node: Node, directory: str, home: str | None) -> None:
    """A build context may be remote, an image or another service."""
    if isinstance(node.value, str) and not _REMOTE.match(node.value):
        _path(node, directory, home)


def is_remote(text: str) -> bool:
    """Whether a build context is anything but a directory of this host."""
    return bool(_REMOTE.match(text))


def _contexts(node: Node, directory: str, home: str | None) -> None:
    """``additional_contexts``, which may still be a list of ``NAME=CONTEXT``."""
    if not isinstance(node.value, list):
        for _, child in node.entries():
            _context(child, directory, home)
        return
    for item in node.value:
        name, equals, value = str(item.value).partition("=")
        if equals and value:
            inner = Node(value, item.place)
            _context(inner, directory, home)
            item.value = f"{name}={inner.value}"


def _keys(node: Node, directory: str, home: str | None) -> None:
    """``build.ssh``: paths by id."""
    for _, child in node.entries():
        _path(child, directory, home)


def _mount(node: Node, directory: str, home: str | None) -> None:
    kind, source = node.child("type"), node.child("source")
    if kind is not None and kind.value == "bind" and source is not None:
        source.value = source.value or "."
        _path(source, directory, home)


def _driver_options(node: Node, directory: str, home: str | None) -> None:
    """A volume of the local driver that binds a directory (``o: bind``)."""
    driver, options = node.child("driver"), node.child("driver_opts")
    how, device = (options.child("o"), options.child("device")) if options is not None else (None, None)
    is_bind = driver is not None and driver.value == "local" and how is not None and how.value == "bind"
    if is_bind and device is not None:
        device.value = device.value or "."
        _path(device, directory, home)


TABLE: Table[Resolve] = Table(
    [
        ("services.*.build.context", _context),
        ("services.*.build.additional_contexts", _contexts),
        ("services.*.build.ssh", _keys),
        ("services.*.env_file.*.path", _path),
        ("services.*.label_file.*", _path),
        ("services.*.extends.file", _path),
        ("services.*.develop.watch.*.path", _path),
        ("services.*.volumes.*", _mount),
        ("configs.*.file", _path),
        ("secrets.*.file", _path),
        ("volumes.*", _driver_options),
    ]
)
