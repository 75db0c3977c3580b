"""`composer container ...` beside `docker container ...`: the same words, the same answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.engines import Docker
from tests.scenarios.conftest import Store

pytestmark = [pytest.mark.root, pytest.mark.peer, pytest.mark.slow]

Answer = tuple[int, str]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


class Side:
    """One of the two programs; ``run("ps", "-a")`` is its `container ps -a`."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def answer(self, *words: str, stdin: bytes = b"") -> Answer:
        done = self.run(*words, stdin=stdin)
        return done.returncode, done.stdout.decode()

    def json(self, *words: str) -> object:
        return json.loads(self.run(*words).stdout)


@pytest.fixture(scope="module")
def sides(
    store: Store, docker: Docker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Side, Side]]:
    """Composer and Docker, with the same busybox image and the same containers."""
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    assert store.call("image", "save", "-o", str(archive), "busybox").returncode == 0
    docker.ok("load", "-i", str(archive))

    def ours(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        from tests.scenarios.conftest import COMPOSER

        return subprocess.run(
            [str(COMPOSER), "container", *words],
            input=stdin, capture_output=True, env=store.environment, cwd=store.root, timeout=120, check=False,
        )  # fmt: skip

    def theirs(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return docker.call("container", *words, stdin=stdin)

    both = Side(ours), Side(theirs)
    for side in both:
        for words in CONTAINERS:
            assert side.answer(*words)[0] == 0, (words, side.run(*words).stderr)
    yield both
    for side in both:
        for line in side.answer("ls", "-aq")[1].split():
            side.answer("rm", "-f", "-v", line)


CHANGES = (
    "echo hi >/new; mkdir /d; ln -s /new /d/l; rm /bin/wget; chmod 700 /home; touch /tmp/x;"
    " echo out; echo err >&2; touch /ready; sleep 600"
)
CONTAINERS = (
    (
        "run", "-d", "--name", "full", "-h", "box", "--domainname", "example.org", "-e", "A=1", "-l", "tier=web",
        "-u", "7:8", "-w", "/tmp", "--restart", "on-failure:3", "--stop-timeout", "5", "--stop-signal", "SIGINT",
        "-m", "64m", "--memory-swap", "96m", "--cpus", "0.5", "--pids-limit", "77", "--cap-add", "NET_ADMIN", "--cap-drop", "MKNOD",
        "--read-only", "--tmpfs", "/run:size=1m", "--ulimit", "nofile=100:200", "--sysctl", "net.core.somaxconn=99",
        "--add-host", "a:1.2.3.4", "--dns", "9.9.9.9", "--shm-size", "32m", "--log-opt", "max-size=1m",
        "--health-cmd", "true", "--health-interval", "1h", "--init", "--expose", "99",
        "--oom-score-adj", "5", "busybox", "sleep", "600",
    ),
    ("run", "-d", "--name", "changed", "busybox", "sh", "-c", CHANGES),
    ("create", "--name", "made", "--entrypoint", "echo", "busybox", "a", "b"),
    ("run", "--name", "over", "busybox", "true"),
)  # fmt: skip

ANSWERS = [
    ("run", "--rm", "busybox", "sh", "-c", "exit 7"),
    ("run", "--rm", "busybox", "no-such-program"),
    ("run", "--rm", "busybox", "/etc"),
    ("run", "--rm", "busybox", "sh", "-c", "echo $0 $@; id -u; pwd; echo $PATH; umask"),
    ("run", "--rm", "-e", "A=b c", "-w", "/srv/new", "busybox", "sh", "-c", "echo $A; pwd"),
    ("run", "--rm", "-u", "5:6", "--group-add", "9", "busybox", "id", "-G"),
    ("run", "--rm", "-h", "box", "busybox", "hostname"),
    ("run", "--rm", "--entrypoint", "echo", "busybox", "-n", "x"),
    ("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"),
    ("run", "--rm", "--read-only", "busybox", "sh", "-c", "touch /x 2>/dev/null || echo no"),
    ("run", "--rm", "--tmpfs", "/t:size=64k", "busybox", "sh", "-c", "df -k /t | tail -1 | awk '{print $2}'"),
    ("run", "--rm", "--ulimit", "nofile=64:128", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn"),
    ("run", "--rm", "--cap-drop", "ALL", "busybox", "sh", "-c", "grep CapEff /proc/self/status"),
    ("run", "--rm", "--stop-signal", "nonsense", "busybox", "true"),
    ("run", "--rm", "--restart", "always", "busybox", "true"),
    ("run", "-d", "--rm", "-a", "stdout", "busybox", "true"),
    ("run", "--name", "full", "busybox", "true"),
    ("create", "--name", "full", "busybox", "true"),
    ("create", "--name", "x/y", "busybox", "true"),
    ("stop", "nobody"),
    ("start", "nobody"),
    ("restart", "nobody"),
    ("kill", "nobody"),
    ("kill", "over"),
    ("rm", "nobody"),
    ("rm", "changed"),
    ("wait", "nobody"),
    ("wait", "over"),
    ("pause", "over"),
    ("unpause", "changed"),
    ("port", "changed"),
    ("port", "changed", "80"),
    ("rename", "over", "changed"),
    ("rename", "over", "x/y"),
    ("inspect", "nobody"),
    ("logs", "nobody"),
    ("logs", "changed"),
    ("exec", "changed", "sh", "-c", "exit 9"),
    ("exec", "over", "true"),
    ("exec", "-e", "A=b", "-u", "5", "-w", "/tmp", "changed", "sh", "-c", "echo $A; id -u; pwd"),
    ("diff", "nobody"),
    ("start", "-a", "over"),
    ("start", "-a", "made"),
    ("stop", "over"),
    ("ls", "-a", "--filter", "name=^/(full|over|made)$", "--format", "{{.Names}}"),
    ("ls", "--filter", "name=over", "--format", "{{.Names}}"),
    ("ls", "-a", "--filter", "status=exited", "--filter", "status=created", "--format", "{{.Names}} {{.State}}"),
    ("ls", "-a", "--filter", "label=tier", "--format", '{{.Names}}|{{.Image}}|{{.Command}}|{{.Labels}}|{{.Label "tier"}}'),
    ("ls", "-a", "--filter", "ancestor=busybox", "--filter", "exited=0", "--format", "{{.Names}}"),
    ("ls", "-a", "--filter", "before=changed", "--format", "{{.Names}}"),
    ("ls", "-a", "--filter", "since=changed", "--format", "table {{.Names}}\t{{.Ports}}\t{{.Mounts}}"),
    ("ls", "-a", "--filter", "status=up"),
    ("ls", "-a", "--filter", "nonsense=1"),
    ("ls", "--format", "{{.Nonsense}}"),
    ("ls", "--format", "{{.Names"),
    ("ls", "--nonsense"),
    ("nonsense",),
]  # fmt: skip

KNOWN_CODES = {
    ("ls", "--format", "{{.Names"): 16,
    ("ls", "--format", "{{.Nonsense}}"): 16,
    ("ls", "--nonsense"): 16,
    ("ls", "-a", "--filter", "status=up"): 16,
    ("ls", "-a", "--filter", "nonsense=1"): 16,
    ("nonsense",): 16,
}
"""Composer's own code for a command line that asks for something impossible (docs/compatibility.md)."""


@pytest.mark.parametrize("words", ANSWERS, ids=" ".join)
def test_answers(sides: tuple[Side, Side], words: tuple[str, ...]) -> None:
    ours, theirs = (side.answer(*words) for side in sides)
    expected = KNOWN_CODES.get(words, theirs[0])
    assert ours == (expected, theirs[1]), theirs


def test_diff(sides: tuple[Side, Side]) -> None:
    ours, theirs = (side.answer("diff", "changed")[1].splitlines() for side in sides)
    assert ours == sorted(theirs, key=lambda line: line[2:])  # Docker's come in no order


TEMPLATES = [
    "{{.Name}} {{.Path}} {{.Args}} {{.RestartCount}} {{.Driver}} {{.Platform}}",
    "{{.State.Status}} {{.State.Running}} {{.State.Paused}} {{.State.Restarting}} {{.State.OOMKilled}} {{.State.Dead}} {{.State.ExitCode}} {{.State.Error}}",
    "{{if eq .State.Pid 0}}none{{else}}some{{end}}",
    "{{if .State.FinishedAt}}set{{end}}|{{if .State.StartedAt}}set{{end}}",
    "{{json .Config.Cmd}} {{json .Config.Entrypoint}} {{.Config.Image}} {{.Config.User}} {{.Config.WorkingDir}}",
    "{{len .Config.Hostname}} {{.Config.Domainname}} {{json .Config.Env}} {{json .Config.Labels}}",
    "{{.Config.Tty}} {{.Config.OpenStdin}} {{.Config.StopSignal}} {{.Config.StopTimeout}}",
    "{{json .Config.ExposedPorts}} {{json .Config.Healthcheck}}",
    "{{json .HostConfig.RestartPolicy}} {{.HostConfig.AutoRemove}} {{.HostConfig.Privileged}} {{.HostConfig.ReadonlyRootfs}}",
    "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{json .HostConfig.PidsLimit}} {{.HostConfig.ShmSize}}",
    "{{json .HostConfig.Dns}} {{json .HostConfig.ExtraHosts}} {{.HostConfig.Ulimits}}",
    "{{len .HostConfig.Tmpfs}} {{.HostConfig.OomScoreAdj}} {{.HostConfig.Init}} {{json .HostConfig.PortBindings}}",
    "{{json .HostConfig.CapDrop}} {{json .HostConfig.CapAdd}} {{.HostConfig.UTSMode}} {{.HostConfig.PidMode}}",
    "{{json .HostConfig.LogConfig}}",
    "{{range $name, $net := .NetworkSettings.Networks}}{{$name}} {{if $net.IPAddress}}has{{else}}no{{end}} address{{end}}",
    "{{if .NetworkSettings.IPAddress}}has{{else}}no{{end}} {{json .NetworkSettings.Ports}}",
    "{{len .Mounts}} {{range .Mounts}}{{.Type}}{{end}}",
    "{{with .State.Health}}some{{else}}no{{end}} health",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", ["full", "changed", "made"])
def test_inspect_templates(sides: tuple[Side, Side], name: str, template: str) -> None:
    ours, theirs = (side.answer("inspect", "-f", template, name) for side in sides)
    assert ours == theirs


def _paths(value: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and prefix.rpartition(".")[2] not in {
        "Labels",
        "Sysctls",
        "Networks",
        "Data",
        "Tmpfs",
    }:
        for key, inner in value.items():
            yield from _paths(inner, f"{prefix}.{key}")
    else:
        yield prefix, type(value).__name__


OURS_ALONE = {".Config.StopTimeout", ".State.Health.Status", ".HostConfig.Annotations"}
"""Fields that Docker (20.10) has under conditions, or later."""


def test_inspect_has_no_field_of_its_own(sides: tuple[Side, Side]) -> None:
    ours, theirs = (dict(_paths(side.json("inspect", "full")[0])) for side in sides)
    assert {path for path in ours if path not in theirs} <= OURS_ALONE


COPIES = [
    (("changed:/d", "OUT"), "new"),
    (("changed:/d", "OUT/"), "dir"),
    (("changed:/d/.", "OUT"), "dir"),
    (("changed:/new", "OUT"), "new"),
    (("changed:/new", "OUT"), "dir"),
    (("changed:/new", "OUT"), "file"),
    (("changed:/new", "OUT/"), "new"),
    (("changed:/d", "OUT"), "file"),
    (("changed:/d/l", "OUT"), "new"),
    (("-L", "changed:/d/l", "OUT"), "new"),
    (("changed:/nowhere", "OUT"), "new"),
    (("nobody:/d", "OUT"), "new"),
    (("changed:/d", "OUT/nodir/x"), "dir"),
    (("made:/var", "OUT"), "new"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "there"), COPIES, ids=str)
def test_copies_out(sides: tuple[Side, Side], words: tuple[str, ...], there: str, tmp_path: Path) -> None:
    results = []
    for number, side in enumerate(sides):
        out = tmp_path / str(number) / "out"
        out.parent.mkdir()
        if there == "dir":
            out.mkdir()
        elif there == "file":
            out.write_text("old")
        code, _ = side.answer("cp", *(word.replace("OUT", str(out)) for word in words))
        tree = sorted(
            (str(path.relative_to(out.parent)), os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes())
            for path in out.parent.rglob("*")
        )  # fmt: skip
        results.append((code, tree if code == 0 else None))
    assert results[0] == results[1]


INTO = [
    ("SRC/file", "changed:/c1"),
    ("SRC/file", "changed:/d"),
    ("SRC/file", "changed:/d/"),
    ("SRC/file", "changed:/c2/"),
    ("SRC/file", "changed:/new"),
    ("SRC/file", "changed:/new/x"),
    ("SRC", "changed:/c3"),
    ("SRC", "changed:/d"),
    ("SRC/.", "changed:/d"),
    ("SRC", "changed:/new"),
    ("SRC/sub/", "changed:/c4"),
    ("SRC/file", "changed:/d/l"),
    ("SRC/file", "changed:/nodir/x"),
    ("SRC/nowhere", "changed:/"),
    ("SRC/file", "SRC/other"),
    ("changed:/new", "made:/x"),
]


@pytest.mark.parametrize(("source", "target"), INTO)
def test_copies_in(sides: tuple[Side, Side], source: str, target: str, tmp_path: Path) -> None:
    src = tmp_path / "SRC"
    (src / "sub").mkdir(parents=True)
    (src / "file").write_text("content")
    (src / "sub" / "deep").write_text("deep")
    (src / "sub" / "deep").chmod(0o751)
    os.chown(src / "file", 3, 4)
    results = []
    listing = "find /c1 /c2 /c3 /c4 /d /new -exec stat -c '%n %F %a %u %g %s' {} + 2>/dev/null | sort; rm -rf /c1 /c2 /c3 /c4 /d /new; echo hi >/new; mkdir /d; ln -s /new /d/l"
    for side in sides:
        code, _ = side.answer("cp", source.replace("SRC", str(src)), target.replace("SRC", str(src)))
        results.append((code, side.answer("exec", "changed", "sh", "-c", listing)[1]))
    assert results[0] == results[1]
