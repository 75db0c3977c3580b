"""Containers that belong to no stack file: made, run, looked at, changed and removed by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import COMPOSER, Stack, Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(store: Store) -> Iterator[Call]:
    """`composer container ...`; nothing of the default stack is left afterwards."""

    def container(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return store.call("container", *words, **environment)

    yield container
    left = container("ls", "-aq", "--no-trunc").stdout.split()
    if left:
        assert container("rm", "-f", "-v", *left).returncode == 0
    eventually(lambda: not (store.run / "stacks" / "default").exists())


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _field(call: Call, name: str, template: str) -> str:
    return _ok(call("inspect", "-f", template, name)).strip()


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [
        (("busybox", "echo", "hi"), 0, "hi\n"),
        (("busybox", "sh", "-c", "exit 7"), 7, ""),
        (("busybox", "no-such-program"), 127, ""),
        (("busybox", "/etc"), 126, ""),
        (("no-such-image", "true"), 125, ""),
        (("-m", "1x", "busybox", "true"), 125, ""),
        (("-e", "A=1", "-e", "FROM_CALLER", "busybox", "sh", "-c", "echo $A $FROM_CALLER"), 0, "1 mine\n"),
        (("--entrypoint", "echo", "busybox", "a", "b"), 0, "a b\n"),
        (("-w", "/tmp", "-u", "7:8", "busybox", "sh", "-c", "pwd; id -u; id -g"), 0, "/tmp\n7\n8\n"),
        (("-h", "box", "busybox", "hostname"), 0, "box\n"),
        (("--network", "none", "busybox", "ls", "/sys/class/net"), 0, "lo\n"),
    ],
)
def test_run(call: Call, words: tuple[str, ...], code: int, output: str) -> None:
    before = set(call("ls", "-aq").stdout.split())  # the store is the module's: others may have left some
    done = call("run", "--rm", *words, FROM_CALLER="mine")
    assert (done.returncode, done.stdout) == (code, output), done.stderr
    assert set(call("ls", "-aq").stdout.split()) <= before  # --rm leaves nothing, however it ended


def test_input_is_passed_on(store: Store, call: Call) -> None:
    before = set(call("ls", "-aq").stdout.split())
    done = subprocess.run(
        [str(COMPOSER), "container", "run", "--rm", "-i", "busybox", "wc", "-c"],
        input=b"x" * 100_000, capture_output=True, env=store.environment, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [b"100000"], done.stderr
    assert eventually(lambda: set(call("ls", "-aq").stdout.split()) <= before)


def test_the_life_of_a_container(call: Call, tmp_path: Path) -> None:
    cidfile = tmp_path / "cid"
    identity = _ok(
        call("create", "--name", "box", "--cidfile", str(cidfile), "-l", "tier=test", "--stop-timeout", "1",
             "busybox", "sh", "-c", "echo begun; trap 'exit 5' TERM; touch /mark; while :; do sleep 0.1; done")
    ).strip()  # fmt: skip
    assert cidfile.read_text() == identity
    assert _field(call, "box", "{{.State.Status}} {{.Config.Labels.tier}}") == "created test"
    assert _ok(call("start", identity[:12])) == f"{identity[:12]}\n"
    assert _field(call, "box", "{{.State.Running}} {{.HostConfig.NetworkMode}}") == "true bridge"
    assert call("rm", "box").returncode == 1
    eventually(lambda: "begun" in call("logs", "box").stdout or "logs" not in _verbs())
    assert _ok(call("stop", "box")) == "box\n"
    assert _field(call, "box", "{{.State.Status}} {{.State.ExitCode}}") == "exited 5"
    assert _ok(call("restart", "box")) == "box\n"
    assert _ok(call("kill", "-s", "TERM", "box")) == "box\n"
    eventually(lambda: _field(call, "box", "{{.State.ExitCode}}") == "5")
    assert call("kill", "box").returncode == 1
    assert _ok(call("ls", "-q", "-f", "name=box")) == ""
    assert (
        _ok(call("ls", "-q", "-a", "--no-trunc", "-f", "label=tier=test", "-f", "exited=5"))
        == f"{identity}\n"
    )
    assert _ok(call("rm", "box")) == "box\n"
    assert call("inspect", "box").returncode == 1


def _verbs() -> set[str]:
    from composer.cli.commands import container

    return set(container.VERBS)


def test_names_are_unique(call: Call) -> None:
    _ok(call("create", "--name", "twin", "busybox"))
    done = call("run", "--name", "twin", "busybox", "true")
    assert done.returncode == 125
    assert "already that of container" in done.stderr


def test_a_name_is_found_for_who_has_none(call: Call) -> None:
    _ok(call("run", "-d", "busybox", "sleep", "60"))
    name = _ok(call("ls", "--format", "{{.Names}}")).strip()
    assert name.count("_") >= 1


def test_containers_know_each_other_by_name(call: Call) -> None:
    _ok(call("run", "-d", "--name", "server", "--network-alias", "also", "busybox", "sleep", "60"))
    address = _field(call, "server", "{{.NetworkSettings.IPAddress}}")
    for name in ("server", "also"):
        found = _ok(call("run", "--rm", "busybox", "nslookup", name))
        assert address in found


def test_named_volumes_stay_and_anonymous_ones_go_with_rm(store: Store, call: Call) -> None:
    _ok(
        call(
            "run",
            "--rm",
            "-v",
            "kept:/k",
            "-v",
            "/gone",
            "busybox",
            "sh",
            "-c",
            "echo x >/k/f; echo y >/gone/f",
        )
    )
    assert _ok(call("run", "--rm", "-v", "kept:/k:ro", "busybox", "cat", "/k/f")) == "x\n"
    assert [path.name for path in (store.root / "data" / "volumes").iterdir()] == ["kept"]


def test_published_ports(call: Call) -> None:
    import urllib.request

    _ok(call("run", "-d", "--name", "web", "-p", "127.0.0.1::8000", "busybox", "sh", "-c",
             "echo hello > index.html; httpd -f -p 8000"))  # fmt: skip
    port = _field(call, "web", '{{(index (index .NetworkSettings.Ports "8000/tcp") 0).HostPort}}')

    def fetched() -> bytes:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
        except OSError:
            return b""

    assert eventually(fetched) == b"hello\n"


def test_restart_always_survives_the_supervisor(store: Store, call: Call) -> None:
    _ok(call("run", "-d", "--name", "phoenix", "--restart", "always", "busybox", "sleep", "600"))
    pid = int(_field(call, "phoenix", "{{.State.Pid}}"))
    supervisor = int((store.run / "stacks" / "default" / "supervisor.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{supervisor}").exists())
    assert _field(call, "phoenix", "{{.State.Pid}}") == str(pid)  # it runs on
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        now = _field(call, "phoenix", "{{.State.Running}} {{.State.Pid}}").split()
        return now[0] == "true" and now[1] != str(pid)

    assert eventually(is_back, within=20)
    assert _field(call, "phoenix", "{{.RestartCount}}") == "1"


def test_a_container_of_a_stack_is_reached_by_hand(store: Store, call: Call) -> None:
    stack: Stack = store.stack(
        "hand", "services: {web: {image: busybox, command: sleep 600, stop_grace_period: 0s}}\n"
    )
    stack.ok("up", "-d")
    name = f"{stack.name}-web-1"
    assert _field(call, name, '{{index .Config.Labels "com.docker.compose.service"}}') == "web"
    assert _ok(call("stop", name)) == f"{name}\n"
    assert stack.rows()["web-1"]["State"] == "exited"
    assert name in _ok(call("ls", "-a", "--format", "{{.Names}}")).splitlines()
    stack.ok("down")
    assert call("inspect", name).returncode == 1


def test_inspect_has_dockers_fields(call: Call) -> None:
    _ok(call("create", "--name", "fields", "busybox"))
    (document,) = json.loads(_ok(call("inspect", "-s", "fields")))
    for path in ("State.Status", "State.Pid", "State.OOMKilled", "State.StartedAt", "Config.Env", "HostConfig.Binds",
                 "NetworkSettings.Networks", "Mounts", "LogPath", "RestartCount", "Created", "SizeRw"):  # fmt: skip
        value = document
        for word in path.split("."):
            assert word in value, path
            value = value[word]


def _memory_limit(pid: int) -> int:
    """What the kernel says of a process's cgroup, v1 or v2."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for file in (f"memory{path}/memory.limit_in_bytes", f"{path.lstrip('/')}/memory.max"):
            full = Path("/sys/fs/cgroup") / file
            if full.exists() and ("memory" in controllers or not controllers):
                return int(full.read_text())
    raise AssertionError("no memory cgroup")


def test_rename_wait_pause_update_prune(store: Store, call: Call) -> None:
    _ok(
        call(
            "run",
            "-d",
            "--name",
            "old",
            "-m",
            "64m",
            "busybox",
            "sh",
            "-c",
            "trap 'exit 4' TERM; sleep 600 & wait",
        )
    )
    _ok(call("rename", "old", "new"))
    assert call("inspect", "old").returncode == 1
    assert _field(call, "new", "{{.Name}}") == "/new"
    address = _field(call, "new", "{{.NetworkSettings.IPAddress}}")
    assert address in _ok(call("run", "--rm", "busybox", "nslookup", "new"))
    assert call("run", "--rm", "busybox", "nslookup", "old").returncode != 0

    _ok(
        call(
            "update",
            "--memory",
            "32m",
            "--cpus",
            "0.5",
            "--pids-limit",
            "50",
            "--restart",
            "on-failure:1",
            "new",
        )
    )
    shown = _field(
        call, "new", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}"
    )
    assert shown == f"{32 * 1024 * 1024} 500000000 on-failure"
    assert _memory_limit(int(_field(call, "new", "{{.State.Pid}}"))) == 32 * 1024 * 1024
    assert call("update", "--memory", "much", "new").returncode == 1

    _ok(call("pause", "new"))
    assert _field(call, "new", "{{.State.Status}} {{.State.Paused}}") == "paused true"
    assert call("pause", "new").returncode == 1
    _ok(call("unpause", "new"))
    assert _field(call, "new", "{{.State.Status}}") == "running"

    waiting = subprocess.Popen(
        [str(COMPOSER), "container", "wait", "new"], env=store.environment, stdout=subprocess.PIPE, text=True
    )
    _ok(call("stop", "new"))
    assert waiting.communicate(timeout=30)[0] == "4\n"
    assert _ok(call("wait", "new")) == "4\n"

    assert "Total reclaimed space: 0B" in _ok(call("prune", "-f", "--filter", "until=1h"))
    identity = _field(call, "new", "{{.Id}}")
    assert identity in _ok(call("prune", "-f")).splitlines()
    assert call("inspect", "new").returncode == 1


def test_ports_are_shown(call: Call) -> None:
    _ok(
        call(
            "run",
            "-d",
            "--name",
            "ports",
            "-p",
            "127.0.0.1:0:80",
            "-p",
            "127.0.0.1::53/udp",
            "busybox",
            "sleep",
            "60",
        )
    )
    lines = _ok(call("port", "ports")).splitlines()
    assert [line.partition(" -> ")[0] for line in lines] == ["53/udp", "80/tcp"]
    assert _ok(call("port", "ports", "80")).strip() == lines[1].partition(" -> ")[2]
    assert call("port", "ports", "81").returncode == 1


def test_a_volume_in_use_is_kept(store: Store, call: Call) -> None:
    _ok(store.call("volume", "create", "precious"))
    _ok(call("create", "--name", "user", "-v", "precious:/p", "busybox"))
    done = store.call("volume", "rm", "precious")
    assert done.returncode == 1
    assert "volume precious is in use by user" in done.stderr
    assert "precious" not in _ok(store.call("volume", "prune", "-a", "-f"))
    assert (
        _ok(store.call("volume", "ls", "--format", "{{.Name}} {{.Links}}", "-f", "name=precious"))
        == "precious 1\n"
    )
    _ok(call("rm", "user"))
    assert _ok(store.call("volume", "rm", "precious")) == "precious\n"


CHANGING = "mkdir /new; echo hi >/new/f; rm /bin/wget; ln -s /etc/passwd /new/l; chmod 750 /home; touch /done; sleep 600"


@pytest.mark.parametrize("is_running", [True, False])
def test_diff_export_and_commit(store: Store, call: Call, tmp_path: Path, is_running: bool) -> None:
    name = f"changed-{is_running}".lower()
    _ok(call("run", "-d", "--name", name, "-e", "K=v", "-v", "/vol", "busybox", "sh", "-c", CHANGING))
    eventually(lambda: "A /done" in _ok(call("diff", name)))
    if not is_running:
        _ok(call("stop", "-t", "0", name))
    assert _ok(call("diff", name)).splitlines() == [
        "C /bin", "D /bin/wget", "A /done", "C /home", "A /new", "A /new/f", "A /new/l", "A /vol",
    ]  # fmt: skip

    _ok(call("export", "-o", str(tmp_path / "tar"), name))
    with tarfile.open(tmp_path / "tar") as archive:
        names = archive.getnames()
        assert "new/f" in names
        assert "bin/sh" in names
        assert "bin/wget" not in names
        assert not [one for one in names if one.startswith("proc/")]

    tag = f"mine:{name}"
    identity = _ok(
        call("commit", "-a", "me", "-m", "note", "-c", 'CMD ["sh", "-c", "cat /new/f; echo $K"]', name, tag)
    ).strip()
    if is_running:
        assert _field(call, name, "{{.State.Status}}") == "running"
    try:
        assert _ok(call("run", "--rm", tag)) == "hi\nv\n"
        assert call("run", "--rm", tag, "test", "-e", "/bin/wget").returncode == 1
        assert _ok(call("run", "--rm", tag, "stat", "-c", "%a", "/", "/home")) == "755\n750\n"
        (image,) = json.loads(_ok(store.call("image", "inspect", tag)))
        assert image["Id"] == identity
        assert image["Author"] == "me"
        assert len(image["RootFS"]["Layers"]) == 2
    finally:
        store.call("image", "rm", "-f", tag)
    assert call("commit", "-c", "RUN true", name, "mine:no").returncode == 1
    assert list((store.run / "views").iterdir()) == []


def test_a_commit_that_is_killed_lets_the_container_go_on(store: Store, call: Call) -> None:
    _ok(
        call(
            "run",
            "-d",
            "--name",
            "frozen",
            "busybox",
            "sh",
            "-c",
            "dd if=/dev/zero of=/big bs=1M count=200; touch /done; sleep 600",
        )
    )
    eventually(lambda: "A /done" in _ok(call("diff", "frozen")), within=30)
    committing = subprocess.Popen(
        [str(COMPOSER), "container", "commit", "frozen", "mine:never"], env=store.environment
    )
    eventually(
        lambda: _field(call, "frozen", "{{.State.Status}}") == "paused" or committing.poll() is not None
    )
    committing.kill()
    committing.wait()
    assert eventually(lambda: _field(call, "frozen", "{{.State.Status}}") == "running")
    store.call("image", "rm", "-f", "mine:never")


def test_commit_and_export_of_a_service(store: Store, tmp_path: Path) -> None:
    stack = store.stack(
        "commit", "services: {web: {image: busybox, command: sleep 600, stop_grace_period: 0s, scale: 2}}\n"
    )
    stack.ok("up", "-d")
    stack.ok("exec", "-T", "--index", "2", "web", "touch", "/second")
    stack.ok("export", "--index", "2", "-o", str(tmp_path / "tar"), "web")
    with tarfile.open(tmp_path / "tar") as archive:
        assert "second" in archive.getnames()
    stack.ok("commit", "--index", "2", "web", "mine:service")
    try:
        (image,) = json.loads(_ok(store.call("image", "inspect", "mine:service")))
        assert image["Config"]["Cmd"] == ["sleep", "600"]
        assert len(image["RootFS"]["Layers"]) == 2
    finally:
        store.call("image", "rm", "-f", "mine:service")


@pytest.mark.parametrize(
    ("words", "code", "output"),
    [
        (("sh", "-c", "exit 9"), 9, b""),
        (("no-such-program",), 127, b""),
        (("/etc",), 126, b""),
        (("echo", "-e", "not ours"), 0, b"not ours\n"),
    ],
)
def test_exec(store: Store, call: Call, words: tuple[str, ...], code: int, output: bytes) -> None:
    _ok(call("run", "-d", "--name", "execs", "busybox", "sleep", "600"))
    done = _bytes(store, "exec", "execs", *words)
    assert (done.returncode, done.stdout) == (code, output), done.stderr


def _bytes(store: Store, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(COMPOSER), "container", *words],
        input=stdin, capture_output=True, env=store.environment, timeout=60, check=False,
    )  # fmt: skip


def test_exec_flags_and_start_attached(store: Store, call: Call, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=file\nB=file\n")
    _ok(call("run", "-d", "--name", "execs", "busybox", "sleep", "600"))
    shown = _ok(call("exec", "--env-file", str(tmp_path / "env"), "-e", "A=flag", "-u", "5", "-w", "/tmp", "execs",
                     "sh", "-c", "echo $A $B; id -u; pwd"))  # fmt: skip
    assert shown == "flag file\n5\n/tmp\n"
    assert _bytes(store, "exec", "-i", "execs", "wc", "-c", stdin=b"x" * 70_000).stdout.split() == [b"70000"]
    assert _bytes(store, "exec", "execs", "wc", "-c", stdin=b"not passed on").stdout.split() == [b"0"]
    assert call("exec", "-it", "execs", "true").returncode == 1  # no terminal here

    _ok(call("create", "-i", "--name", "reader", "busybox", "sh", "-c", "read line; echo got $line; exit 3"))
    done = _bytes(store, "start", "-a", "-i", "reader", stdin=b"a line\n")
    assert (done.returncode, done.stdout) == (3, b"got a line\n"), done.stderr
    assert _ok(call("logs", "reader")) == "got a line\n"


def test_logs(store: Store, call: Call) -> None:
    script = (
        "for i in 1 2 3; do echo out$i; done; echo err >&2; printf '\\033[31mred'; sleep 0.2; echo; exit 2"
    )
    assert _bytes(store, "run", "--name", "wordy", "busybox", "sh", "-c", script).returncode == 2
    done = _bytes(store, "logs", "wordy")
    assert (done.stdout, done.stderr) == (b"out1\nout2\nout3\n\x1b[31mred\n", b"err\n")
    assert _bytes(store, "logs", "-f", "wordy").stdout == done.stdout
    assert _bytes(store, "logs", "--since", "1h", "wordy").stdout == done.stdout
    assert _bytes(store, "logs", "--until", "1h", "wordy").stdout == b""
    stamped = _bytes(store, "logs", "-t", "wordy").stdout.decode().splitlines()
    assert [line.partition(" ")[2] for line in stamped] == ["out1", "out2", "out3", "\x1b[31mred"]
    assert len(_bytes(store, "logs", "-n", "1", "wordy").stdout.splitlines()) <= 1
    assert call("logs", "--since", "soon", "wordy").returncode == 1
    _ok(call("run", "-d", "--name", "mute", "--log-driver", "none", "busybox", "sleep", "60"))
    assert "not kept" in call("logs", "mute").stderr


def test_logs_are_followed(store: Store, call: Call) -> None:
    _ok(
        call(
            "run",
            "-d",
            "-i",
            "--name",
            "ticking",
            "busybox",
            "sh",
            "-c",
            "mkfifo /go; exec 3<>/go; while read x <&3; do echo $x; [ $x = end ] && exit; done",
        )
    )
    following = subprocess.Popen(
        [str(COMPOSER), "container", "logs", "-f", "ticking"],
        env=store.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    for word in ("one", "two", "end"):
        _ok(call("exec", "ticking", "sh", "-c", f"until [ -p /go ]; do sleep 0.05; done; echo {word} >/go"))
    assert following.communicate(timeout=30)[0] == "one\ntwo\nend\n"


def test_what_removes_itself_does_so_whoever_watches(store: Store, call: Call) -> None:
    _ok(call("run", "-d", "--rm", "--name", "brief", "busybox", "sleep", "0.3"))
    eventually(lambda: _ok(call("ls", "-aq")) == "")
    _ok(call("run", "-d", "--rm", "--name", "orphan", "busybox", "sleep", "600"))
    pid = int(_field(call, "orphan", "{{.State.Pid}}"))
    supervisor = int((store.run / "stacks" / "default" / "supervisor.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{supervisor}").exists())
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: _ok(call("ls", "-aq")) == "", within=20)
    eventually(lambda: not (store.run / "stacks" / "default").exists())


def test_restarted_by_hand_it_stays(call: Call) -> None:
    _ok(call("run", "-d", "--rm", "--name", "kept", "busybox", "sleep", "600"))
    before = _field(call, "kept", "{{.State.Pid}}")
    _ok(call("restart", "-t", "0", "kept"))
    assert _field(call, "kept", "{{.State.Pid}}") not in (before, "0")
    _ok(call("stop", "-t", "0", "kept"))
    eventually(lambda: _ok(call("ls", "-aq")) == "")


def test_what_a_killed_supervisor_left_half_made_is_cleared(store: Store, call: Call) -> None:
    import sqlite3

    _ok(call("create", "--name", "half", "busybox"))
    _ok(call("create", "--name", "whole", "busybox"))
    supervisor = int((store.run / "stacks" / "default" / "supervisor.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{supervisor}").exists())
    with sqlite3.connect(store.root / "data" / "state.db") as database:
        database.execute("UPDATE containers SET phase = 'creating' WHERE name = 'half'")
    database.close()
    _ok(call("start", "whole"))
    assert _ok(call("ls", "-a", "--format", "{{.Names}}")) == "whole\n"
