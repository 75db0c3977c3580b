"""Secret markers (X1, X2, X5) and environments (E1 to E3): where what a stack says must not turn up."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import Stack, Store, eventually, store  # noqa: F401 -- ``store`` is a fixture

pytestmark = [pytest.mark.root, pytest.mark.scenario]

OF_FILE, OF_SHELL, INLINE = (f"marker-{kind}-{os.getpid()}" for kind in ("file", "shell", "inline"))
PASSWORD = f"marker-password-{os.getpid()}"
MARKERS = (OF_FILE, OF_SHELL, INLINE)

STACK = f"""services:
  a:
    image: busybox
    stop_signal: SIGKILL
    secrets: [of_file, of_shell]
    configs: [{{source: inline, mode: 0o400}}]
    environment: {{DB_PASSWORD: {PASSWORD}}}
    command: [sh, -c, 'wc -c /run/secrets/* /inline; exec sleep 1000']
    healthcheck: {{test: [CMD, grep, -q, marker, /run/secrets/of_file], interval: 200ms}}
secrets: {{of_file: {{file: ./secret}}, of_shell: {{environment: OF_SHELL}}}}
configs: {{inline: {{content: "$$x {INLINE}"}}}}
"""


@pytest.fixture(scope="module")
def stack(store: Store) -> Iterator[Stack]:  # noqa: F811 -- the fixture of that name
    made = store.stack("secrets", STACK, secret=OF_FILE)
    made.ok("up", "-d", "--wait", OF_SHELL=OF_SHELL)
    yield made
    made.ok("down", "-v")


def _files_with(root: Path, markers: tuple[str, ...]) -> list[str]:
    """Regular files below a root that hold a marker, but for the material itself."""
    found = []
    for path in root.rglob("*"):
        if "files" in path.relative_to(root).parts or not path.is_file() or path.is_symlink():
            continue
        content = path.read_bytes()
        found += [f"{path}: {marker}" for marker in markers if marker.encode() in content]
    return found


def _our_processes(stack: Stack) -> list[Path]:
    """conmon and the supervisor: by the name of the store, and by pid."""
    found = [Path(f"/proc/{stack.supervisor}")]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(stack.store.run).encode() in (entry / "cmdline").read_bytes():
                found.append(entry)
        except OSError:
            continue
    assert len(found) >= 2
    return found


def test_the_container_has_them(stack: Stack) -> None:
    for path, marker in (
        ("/run/secrets/of_file", OF_FILE),
        ("/run/secrets/of_shell", OF_SHELL),
        ("/inline", INLINE),
    ):
        assert marker in stack.ok("exec", "-T", "a", "cat", path)
    assert "400" in stack.ok("exec", "-T", "a", "stat", "-c", "%a", "/inline")


def test_they_are_nowhere_else_on_disk_and_in_memory_only(stack: Stack) -> None:
    """X1: state, logs, journal, the runtime's configuration; the material lies on tmpfs."""
    assert _files_with(stack.store.root / "data", MARKERS) == []
    assert _files_with(stack.store.run, MARKERS) == []
    (material,) = (stack.store.run / "containers").glob("*/files")
    kinds = {
        fields[1]: fields[2]
        for fields in (line.split(" ") for line in Path("/proc/mounts").read_text().splitlines())
    }
    mount_point = next(str(parent) for parent in material.parents if str(parent) in kinds)
    assert kinds[mount_point] == "tmpfs"


def test_no_process_of_ours_shows_them(stack: Stack) -> None:
    """X1: not in arguments and not in environments, that of the shell that ran ``up`` included."""
    for process in _our_processes(stack):
        for name in ("cmdline", "environ"):
            content = (process / name).read_bytes()
            assert [marker for marker in (*MARKERS, PASSWORD) if marker.encode() in content] == [], process


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "--format", "json"),
        ("config", "--environment"),
        ("config", "--audit"),
        ("plan", "--format", "json"),
        ("ps", "--format", "json"),
        ("logs",),
        ("graph",),
        ("container", "inspect", "{container}"),
    ],
)
def test_no_command_prints_them(stack: Stack, arguments: tuple[str, ...]) -> None:
    said = [word.replace("{container}", f"{stack.name}-a-1") for word in arguments]
    shell = {} if "--environment" in said else {"OF_SHELL": OF_SHELL}
    done = stack.call(*said, **shell)
    markers = [OF_FILE, OF_SHELL]  # a config's content is part of the file that `config` prints
    assert [marker for marker in markers if marker in done.stdout + done.stderr] == []


def test_a_changed_password_is_no_cause_to_print_it(stack: Stack) -> None:
    """X2: causes, errors."""
    path = stack.directory / "compose.yaml"
    before = path.read_text()
    path.write_text(before.replace(PASSWORD, f"{PASSWORD}-new"))
    try:
        done = stack.call("plan", OF_SHELL=OF_SHELL)
        assert done.returncode == 2
        assert "DB_PASSWORD changed" in done.stdout
        assert PASSWORD not in done.stdout + done.stderr
        path.write_text(before.replace("sh, -c", "no-such-program, -c"))
        failed = stack.call("up", "-d", OF_SHELL=OF_SHELL)
        assert failed.returncode != 0
        assert [marker for marker in (*MARKERS, PASSWORD) if marker in failed.stdout + failed.stderr] == []
    finally:
        path.write_text(before)
        stack.ok("up", "-d", "--wait", OF_SHELL=OF_SHELL)


def test_state_is_for_root_alone(stack: Stack) -> None:
    """X5: roots 0700; what is ours below them readable by nobody else."""
    data, run = stack.store.root / "data", stack.store.run
    for root in (data, run):
        assert stat.S_IMODE(root.stat().st_mode) == 0o700, root
    ours = [*data.glob("state.db*"), *data.glob("containers/*/log"), *(run / "stacks").rglob("*")]
    assert len(ours) > 4
    open_to_others = [path for path in ours if path.stat().st_mode & 0o077]
    assert open_to_others == []


EVIL = {
    "LD_PRELOAD": "/evil.so",
    "PATH": "/bin:/evil",
    "PYTHONPATH": "/evil",
    "PYTHONSTARTUP": "/evil",
    "BASH_ENV": "/evil",
}


def test_a_stacks_variables_never_reach_our_own_tools(store: Store) -> None:  # noqa: F811
    """E1."""
    environment = "\n".join(f"      {name}: {value}" for name, value in EVIL.items())
    made = store.stack(
        "evil",
        f"""services:
  a:
    image: busybox
    stop_signal: SIGKILL
    command: sleep 1000
    environment:
{environment}
""",
    )
    made.ok("up", "-d")
    inside = made.ok("exec", "-T", "a", "env")
    assert [name for name, value in EVIL.items() if f"{name}={value}" not in inside] == []
    monitors = [entry for entry in _our_processes(made) if (entry / "comm").read_text().strip() == "conmon"]
    assert monitors
    for monitor in monitors:
        assert b"evil" not in (monitor / "environ").read_bytes()
    made.ok("down")


def test_a_newline_in_a_value_stays_in_it(store: Store) -> None:  # noqa: F811
    """E2."""
    made = store.stack(
        "newline",
        """services:
  a:
    image: busybox
    environment: {A: "one\\nB=injected", C: "last"}
    command: [sh, -c, 'echo "[$$A][$$B][$$C]"']
""",
    )
    made.ok("up", "-d")
    eventually(lambda: made.rows()["a-1"]["State"] == "exited")
    assert "[one" in (said := made.ok("logs", "--no-log-prefix"))
    assert "B=injected][][last]" in said
    made.ok("down")


def test_a_name_with_an_equals_sign_is_refused(store: Store) -> None:  # noqa: F811
    """E3."""
    refused = store.stack("equals", "services: {a: {image: busybox, environment: {'A=B': c}}}\n").call("up")
    assert refused.returncode == 15
    assert "is no name of a variable" in refused.stderr
