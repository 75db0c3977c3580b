"""The same stack file, run by Docker Compose with a dockerd of our own and by composer: what containers see."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.differential import oracle, stacks
from tests.peers.engines import Docker
from tests.scenarios.conftest import Store, eventually
from tests.tools import isolation_probe

pytestmark = [pytest.mark.peer, pytest.mark.root, pytest.mark.slow]

COMPOSER = Path(sys.executable).with_name("composer")
SHELL = {"FROM_SHELL": "of the shell"}
Answers = Mapping[str, str]


def _image() -> bytes:
    """The static busybox with a user and a few groups."""
    archive = io.BytesIO(isolation_probe.busybox_archive())
    with tarfile.open(fileobj=archive, mode="a") as tar:
        for path, text in {
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1001:u:/home/user:/bin/sh\n",
            "etc/group": "root:x:0:\ntty:x:5:user\nuser:x:1001:\nmore:x:50:user\n",
        }.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()


class Side:
    """One of the two: how its commands are called, and what its containers answer."""

    def __init__(self, command: list[str], environment: dict[str, str], directory: Path) -> None:
        self.command = command
        self.environment = {**environment, **SHELL}
        self.directory = directory
        for name, text in stacks.FILES.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (directory / "compose.yaml").write_text(stacks.stack_file())

    def call(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def up(self) -> None:
        done = self.call("up", "-d", "--no-build", "--quiet-pull")
        assert done.returncode == 0, done.stderr.decode()[-4000:]

    def answers(self) -> Answers:
        """What every case says; those with an exit code are waited for."""
        with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            return dict(zip(stacks.CASES, pool.map(self._answer, stacks.CASES), strict=True))

    def _answer(self, name: str) -> str:
        command = stacks.CASES[name].command.replace("{name}", name).replace("$$", "$")
        if command:
            done = self.call("exec", "-T", name, "sh", "-c", command)
            return f"{(done.stdout + done.stderr).decode(errors='replace')}\nexit code {done.returncode}"
        code = eventually(lambda: self._exit_code(name), within=60)
        done = self.call("logs", "--no-log-prefix", "--no-color", name)
        return f"{done.stdout.decode(errors='replace')}\nexit code {code}"

    def _exit_code(self, name: str) -> str:
        """As text, because 0 is an answer; "" while it runs."""
        import json

        text = self.call("ps", "--all", "--format", "json", name).stdout.decode().strip()
        rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
        return str(rows[0]["ExitCode"]) if rows and rows[0]["State"] == "exited" else ""


def _both(theirs: Side, mine: Side) -> tuple[Answers, Answers]:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: (theirs.up(), theirs.answers())[1])
        mine.up()
        ours = mine.answers()
        return other.result(), ours


@pytest.fixture(scope="module")
def answers(docker: Docker, store: Store) -> Iterator[tuple[Answers, Answers]]:
    if not oracle.is_there():
        pytest.skip("no docker-compose: .ci/setup --peers installs one")
    program = str(oracle.BINARY if oracle.BINARY.exists() else shutil.which("docker-compose"))
    with tempfile.TemporaryDirectory(prefix="composer-differential-", dir="/var/tmp") as work:
        root = Path(work)
        (root / "image.tar").write_bytes(_image())
        (root / "context").mkdir()
        (root / "context" / "Dockerfile").write_text(stacks.DOCKERFILE)
        docker.ok("import", str(root / "image.tar"), stacks.IMAGE)
        docker.ok("build", "-t", stacks.BUILT, str(root / "context"))
        imported = store.call("image", "import", str(root / "image.tar"), stacks.IMAGE)
        assert imported.returncode == 0, imported.stderr
        building = store.stack(
            "build", f"services: {{a: {{build: ., image: '{stacks.BUILT}'}}}}\n", Dockerfile=stacks.DOCKERFILE
        )
        building.ok("build")
        sides = []
        for name, command, environment in (
            ("theirs", [program], {**docker.environment, "DOCKER_HOST": f"unix://{docker.socket}"}),
            ("ours", [str(COMPOSER)], store.environment),
        ):
            (root / name).mkdir()
            sides.append(Side(command, environment, root / name))
        theirs, mine = sides
        try:
            yield _both(theirs, mine)
        finally:
            mine.call("down", "-v", "-t", "0")
            theirs.call("down", "-v", "-t", "0")


@pytest.mark.parametrize("name", stacks.CASES)
def test_containers_see_the_same(answers: tuple[Answers, Answers], name: str) -> None:
    theirs, ours = (stacks.steady(name, side[name]) for side in answers)
    case = stacks.CASES[name]
    assert not case.command or ours.endswith("exit code 0"), ours  # agreeing in an error is no agreement
    if case.why:
        assert ours != theirs, "they agree: take the reason away"
    else:
        assert ours == theirs


def test_every_difference_is_in_the_documentation() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "compatibility.md").read_text("utf-8").split())
    assert [case.why for case in stacks.CASES.values() if case.why and case.why not in page] == []
