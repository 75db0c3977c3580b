"""``include``: other stack files whose resources become part of this one.

Each is a stack of its own, with its own directory and ``.env``; what it defines may not be defined
otherwise here.  Source: Compose Specification, "include"; behaviour of Docker Compose v2.40.3.
"""

from __future__ import annotations

import re

import attrs

from composer import errors
from composer.stackfile.scalars import scalar_text
from composer.stackfile.tree import Node, Path, plain, problem, problem_of_key

Problems = list[errors.Problem]

SECTIONS = ("services", "volumes", "networks", "secrets", "configs", "models")

_REMOTE = re.compile(r"(https?|git|ssh|oci)://|git@|github\.com/")


@attrs.frozen(kw_only=True)
class Entry:
    """One entry of ``include``: files that are merged, and where they are at home.

    ``env_files`` is ``None`` when the author says nothing about them.
    """

    node: Node
    path: Path
    files: tuple[Node, ...]
    project_directory: str = ""
    env_files: tuple[str, ...] | None = None


def entries(root: Node, problems: Problems) -> list[Entry]:
    """The entries as written, in order."""
    node = root.child("include")
    if node is None or node.value is None:
        return []
    if not isinstance(node.value, list):
        message = "expected a list of files to include"
        problems.append(problem(node, ("include",), message, hint="Write it as - PATH."))
        return []
    found = []
    for index, item in enumerate(node.value):
        entry = _entry(item, ("include", index), problems)
        if entry is not None:
            found.append(entry)
    return found


def _entry(item: Node, path: Path, problems: Problems) -> Entry | None:
    if isinstance(item.value, str):
        return _checked(Entry(node=item, path=path, files=(item,)), problems)
    if not isinstance(item.value, dict):
        problems.append(problem(item, path, "expected a path, or a mapping with path"))
        return None
    for key, child in item.entries():
        if key not in ("path", "project_directory", "env_file"):
            problems.append(
                problem(
                    child,
                    (*path, key),
                    f"additional property {key!r} is not allowed",
                    hint="An include has path, project_directory and env_file.",
                )
            )
    directory, env_file = item.child("project_directory"), item.child("env_file")
    listed = _texts(env_file)
    return _checked(
        Entry(
            node=item,
            path=path,
            files=_texts_nodes(item.child("path")),
            project_directory=scalar_text(directory.value) if directory is not None else "",
            env_files=tuple(listed) or None,
        ),
        problems,
    )


def _checked(entry: Entry, problems: Problems) -> Entry | None:
    for node in entry.files:
        if not isinstance(node.value, str) or not node.value:
            problems.append(problem(node, entry.path, "expected the path of a file"))
            return None
        if _REMOTE.match(node.value):
            message = f"cannot include {node.value!r}: only local files can be included"
            problems.append(problem(node, entry.path, message, hint="Fetch it and name the file."))
            return None
    return entry


def _texts_nodes(node: Node | None) -> tuple[Node, ...]:
    if node is None or node.value is None:
        return ()
    return tuple(node.items()) if isinstance(node.value, list) else (node,)


def _texts(node: Node | None) -> list[str]:
    return [scalar_text(item.value) for item in _texts_nodes(node)]


def adopt(root: Node, included: Node, problems: Problems) -> None:
    """Make the resources of an included stack the document's own."""
    assert isinstance(root.value, dict)
    for name in SECTIONS:
        theirs = included.child(name)
        if theirs is None or not isinstance(theirs.value, dict):
            continue
        ours = root.value.setdefault(name, Node({}, theirs.place))
        if not isinstance(ours.value, dict):
            continue
        for key, node in theirs.value.items():
            there = ours.value.get(key)
            if there is None:
                ours.value[key] = node
            elif plain(there) != plain(node):
                message = f"{key!r} is also defined by an included file, otherwise"
                hint = f"It is included from {node.place.file}:{node.place.line}. Rename one of them."
                problems.append(problem_of_key(there, (name, key), message, hint=hint))
