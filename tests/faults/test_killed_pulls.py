"""SIGKILL at random moments of a pull: the next one succeeds, and nothing damaged or half done is left."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import registry as fake
from tests.images import tar_of

pytestmark = [pytest.mark.root, pytest.mark.slow]

COMPOSER = Path(sys.executable).with_name("composer")
ROUNDS = 8


def layer(number: int) -> bytes:
    """An archive of many files whose content does not compress."""
    source = random.Random(number)
    return tar_of({f"{number}/{name}": source.randbytes(5_000).hex() for name in range(150)})


def test_every_killed_pull_is_healed_by_the_next(tmp_path: Path) -> None:
    moments = random.Random(5)
    with fake.serving() as server:
        plain = [layer(number) for number in range(3)]
        packed = [gzip.compress(one, compresslevel=1, mtime=0) for one in plain]
        image = server.add_image(
            "app:1", *packed, rootfs={"type": "layers", "diff_ids": [fake.digest_of(one) for one in plain]}
        )
        name = f"{server.host}/app:1"
        environment = {
            **os.environ,
            "COMPOSER_DATA": str(tmp_path / "data"),
            "COMPOSER_RUN": str(tmp_path / "run"),
            "CONTAINERS_REGISTRIES_CONF": "/dev/null",
        }

        def call(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [COMPOSER, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        def forget() -> None:
            call("image", "rm", name)
            assert call("system", "prune", "-a", "-f").returncode == 0

        # Where in the work the kill falls is counted in events of progress, not in seconds.
        events = call("--progress", "json", "image", "pull", name).stderr.count("\n")
        assert events > 10
        for _ in range(ROUNDS):
            forget()
            victim = subprocess.Popen(
                [COMPOSER, "--progress", "json", "image", "pull", name],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert victim.stderr is not None
            for _ in range(moments.randrange(events)):
                if not victim.stderr.readline():
                    break
            victim.kill()
            victim.communicate(timeout=10)
            done = call("image", "pull", name)
            assert done.returncode == 0, done.stderr
            checked = call("system", "check")
            assert checked.returncode == 0, checked.stdout + checked.stderr
            found = json.loads(call("image", "inspect", name).stdout)[0]
            assert found["RootFS"]["Layers"] == [fake.digest_of(one) for one in plain]
        assert not any((tmp_path / "data/blobs/ingest").iterdir())
        left = [path for path in (tmp_path / "data/layers").glob("*staging*/*") if path.is_dir()]
        assert left == []
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
        assert image.digest in call("image", "inspect", name).stdout
