"""The index of known stacks: which stack a directory and a command line mean, without reading YAML.

``<run>/index/<digest>`` holds one JSON object per combination of working directory, root options and
``COMPOSE_*`` variables: the stack's name, every file that decided it with its modification time,
size and inode (size -1: absent), and the environment variables that were consulted, as a digest.
It is trusted only while all of these are as they were; anything else is as if it were not there, so
a stale or torn entry costs time and never gives a wrong name.  It is memory: gone after a reboot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping

try:
    # The built-in module: hashlib would load OpenSSL (5 ms), as the standard library's random knows.
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

FileStamp = tuple[str, int, int, int]
"""Path, modification time (ns), size, inode; size -1 says that there is no such file."""


class ConsultedVariables(dict[str, str]):
    """An environment that notes which variables were asked for, be they set or not."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(environment)
        self.names: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """The value, noting the question."""
        self.names.add(name)
        return super().get(name, default)


def key_of(directory: str, selection: Iterable[object], environment: Mapping[str, str]) -> str:
    """The entry's name; ``selection`` are the root options that decide which stack is meant."""
    variables = sorted(item for item in environment.items() if item[0].startswith("COMPOSE_"))
    text = json.dumps([directory, list(selection), variables])
    return digest_of(text)


def lookup(run: str, key: str, environment: Mapping[str, str]) -> str | None:
    """The stack's name, if the entry exists and everything it rests on is unchanged."""
    try:
        with open(f"{run}/index/{key}", "rb") as file:
            entry = json.loads(file.read())
        name, files = entry["name"], entry["files"]
        variables, seal = entry["variables"], entry["seal"]
        if any(list(stamp(path)[1:]) != expected for path, *expected in files):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if seal != seal_of(variables, environment):
        return None
    return name if isinstance(name, str) else None


def remember(
    run: str,
    key: str,
    *,
    name: str,
    files: Iterable[FileStamp],
    variables: Iterable[str],
    environment: Mapping[str, str],
) -> None:
    """Write the entry; failing to is no error, because it is only a shortcut."""
    consulted = sorted(variables)
    entry = {
        "name": name,
        "files": sorted(files),
        "variables": consulted,
        "seal": seal_of(consulted, environment),
    }
    temporary = f"{run}/index/{key}.{os.getpid()}"
    try:
        os.makedirs(f"{run}/index", mode=0o700, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(entry, file)
        os.rename(temporary, f"{run}/index/{key}")
    except OSError:
        return


def forget(run: str, key: str) -> None:
    """Remove an entry that turned out to be wrong."""
    try:
        os.unlink(f"{run}/index/{key}")
    except OSError:
        return


def stamp(path: str) -> FileStamp:
    """What a file is now; reading it again gives the same content while this is the same."""
    try:
        status = os.stat(path)
    except OSError:
        return (path, 0, -1, 0)
    return (path, status.st_mtime_ns, status.st_size, status.st_ino)


def seal_of(variables: Iterable[str], environment: Mapping[str, str]) -> str:
    """A digest over the values of variables, so that no value (a secret, perhaps) is written down."""
    values = [(name, environment.get(name)) for name in variables]
    return digest_of(json.dumps(values))


def digest_of(text: str) -> str:
    """A digest of a text of ASCII (as ``json.dumps`` makes it)."""
    return blake2b(text.encode("ascii"), digest_size=32).hexdigest()
