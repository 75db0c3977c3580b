"""A composer with a store in a given place, and an archive of an image for it to load."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

from tests import images

NAME = "app:1"


def archive_of(directory: Path, *, files: int = 150, megabytes: int = 2) -> Path:
    """What ``docker save`` of an image of three layers writes: many small files, one large, a link."""
    source = random.Random(3)
    small = {f"d{number % 7}/f{number}": source.randbytes(200).hex() for number in range(files)}
    layers = [
        images.tar_of(small),
        images.tar_of({"large": source.randbytes(megabytes << 19).hex()}),
        images.tar_of({"d1/.wh.f1": "", "last": "x"}),
    ]
    entry = {"Config": "c.json", "RepoTags": [NAME], "Layers": [f"{n}/layer.tar" for n in range(len(layers))]}
    content = {
        **{f"{number}/layer.tar": layer for number, layer in enumerate(layers)},
        "c.json": images.config_of(layers),
        "manifest.json": json.dumps([entry]).encode(),
    }
    path = directory / "app.tar"
    with tarfile.open(path, "w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


class Patient:
    """composer with its data below ``data``."""

    def __init__(self, data: Path, run: Path) -> None:
        self.data = data
        self.program = [str(Path(sys.executable).with_name("composer"))]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPOSE")},
            "COMPOSER_DATA": str(data),
            "COMPOSER_RUN": str(run),
        }

    def call(self, *arguments: str, under: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run it to its end, possibly under another program."""
        return subprocess.run(
            [*under, *self.program, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it and do not wait."""
        return subprocess.Popen(
            [*self.program, *arguments],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def problem(self) -> str:
        """What ``system check`` finds; "" when the store is sound."""
        done = self.call("system", "check", "-q")
        return "" if done.returncode == 0 else f"{done.stdout[-1000:]}{done.stderr[-500:]}"

    def leftovers(self) -> list[str]:
        """What should not outlive a command."""
        found: list[str] = []
        for name in ("layers/staging", "layers/making", "blobs/ingest"):
            directory = self.data / name
            found += [f"{name}/{entry}" for entry in os.listdir(directory)] if directory.is_dir() else []
        return found
