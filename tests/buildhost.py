"""Builds with the kernel's overlayfs and a real OCI runtime, on a busybox image; for tests with root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = """
import json, os, sys
from pathlib import Path
from composer import errors
from composer.dockerfile.builder import DockerfileBuilder
from composer.host import mounts, process
from composer.host.database import Database
from composer.host.paths import Paths
from composer.image.bootstrap import bootstrap_busybox
from composer.image.store import Store
from composer.model.protocols import BuildRequest
from composer.runtime.driver import OciRuntime

class Handle:
    path = ""
    gateway = "10.9.8.7"
    def close(self): pass

class Network:
    def build_namespace(self): return Handle()

mounts.enter_private_namespace()
paths = Paths(Path(sys.argv[1]), Path(sys.argv[2]))
paths.make()
store = Store(paths, Database(paths.database))
if store.find("busybox") is None:
    bootstrap_busybox(store, "busybox", say=lambda line: None)
builder = DockerfileBuilder(store, OciRuntime(paths), Network())
said = []
say = said.append if len(sys.argv) == 4 else lambda line: print(line, flush=True)
try:
    fields = json.loads(os.environ.get("FIELDS", "{}"))
    fields["secrets"] = {name: text.encode() for name, text in fields.get("secrets", {}).items()}
    fields["hosts"] = tuple(map(tuple, fields.get("hosts", ())))
    request = BuildRequest(**{"context": Path(sys.argv[3]), **fields})
    image = builder.build(request, say, process.StopFlag())
    result = {"id": image.id, "layers": [str(p) for p in store.layer_paths(image)], "error": "", "output": ""}
except errors.ComposerError as error:
    result = {"id": "", "layers": [], "error": error.message, "output": getattr(error, "output", "")}
left = [p.name for p in (paths.data / "layers/staging").iterdir()]
print(json.dumps({**result, "said": said, "staging": left}))
"""


class Host:
    """A private store, and builds in processes of their own (each has its mount namespace)."""

    def __init__(self, data: Path, run: Path) -> None:
        self.data = data
        self.run = run
        self.context = data / "context"
        self.context.mkdir()

    def arguments(self) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(self.data / "data"), str(self.run), str(self.context)]

    def build(
        self, dockerfile: str, *, environment: Mapping[str, str] | None = None, **fields: object
    ) -> dict[str, Any]:
        """Build; ``fields`` are those of ``BuildRequest``, as JSON has them (secrets as text)."""
        (self.context / "Dockerfile").write_text(dockerfile)
        done = subprocess.run(
            self.arguments(),
            capture_output=True,
            text=True,
            check=False,
            cwd=Path.cwd(),
            env={**os.environ, **(environment or {}), "FIELDS": json.dumps(fields)},
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    def mounts(self) -> list[str]:
        """What is mounted on this host for our sake."""
        lines = Path("/proc/self/mounts").read_text().splitlines()
        return [line for line in lines if str(self.data) in line or str(self.run) in line]


@contextmanager
def opened() -> Iterator[Host]:
    """A host; afterwards nothing of it is mounted, and it is gone."""
    data = Path(tempfile.mkdtemp(prefix="composer-build-", dir="/var/tmp"))  # overlayfs needs a real disk
    run = Path(tempfile.mkdtemp(prefix="composer-build-", dir="/dev/shm"))
    host = Host(data, run)
    try:
        yield host
        assert host.mounts() == []
    finally:
        shutil.rmtree(data, ignore_errors=True)
        shutil.rmtree(run, ignore_errors=True)


def said(result: Mapping[str, Any], step: str) -> list[str]:
    """What a step (a part of its title) printed."""
    lines: list[str] = result["said"]
    number = next(line.split()[0] for line in lines if step in line and line.startswith("#"))
    texts = [line.split(" ", 2) for line in lines if line.startswith(f"{number} ")]
    return [text[2] for text in texts if len(text) == 3 and text[1].replace(".", "").isdigit()]


def files_in(result: Mapping[str, Any]) -> set[str]:
    """Every path of every layer but the base image's."""
    layers: list[str] = result["layers"][1:]
    return {str(path.relative_to(layer)) for layer in layers for path in Path(layer).rglob("*")}
