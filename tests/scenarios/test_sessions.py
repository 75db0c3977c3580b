"""Sessions at a terminal and through pipes: ``exec``, ``run``, ``attach``, and how they end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.scenarios.conftest import COMPOSER, Stack, Store, eventually
from tests.terminals import User, user

pytestmark = [pytest.mark.root, pytest.mark.scenario]

SERVICES = """
services:
  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}
  cat: {image: busybox, command: cat, stdin_open: true, stop_signal: SIGKILL}
  shell: {image: busybox, command: sh, stdin_open: true, tty: true, stop_signal: SIGKILL}
  trap:
    image: busybox
    command: sh -c 'trap "echo got; exit 7" TERM; echo ready; while :; do sleep 0.1; done'
"""

PROMPT = "/ # "


@pytest.fixture(scope="module")
def stack(store: Store) -> Iterator[Stack]:
    made = store.stack("sessions", SERVICES)
    made.ok("up", "-d")
    yield made
    made.call("down", "-t", "0")


def at_terminal(stack: Stack, *argv: str, rows: int = 24, columns: int = 80) -> AbstractContextManager[User]:
    environment = {**stack.store.environment, "TERM": "xterm"}
    return user(
        [str(COMPOSER), *argv],
        directory=stack.directory,
        environment=environment,
        rows=rows,
        columns=columns,
    )


def processes(stack: Stack, word: str) -> list[str]:
    return [line for line in stack.ok("exec", "-T", "web", "ps").splitlines() if word in line]


def end(stack: Stack, word: str) -> None:
    pids = [line.split()[0] for line in processes(stack, word)]
    stack.ok("exec", "-T", "web", "kill", *pids)
    eventually(lambda: not processes(stack, word))


# --------------------------------------------------------------------------- exec


def test_a_shell_at_a_terminal(stack: Stack) -> None:
    with at_terminal(stack, "exec", "-it", "web", "sh", rows=31, columns=101) as me:
        me.sees(PROMPT)
        assert me.is_raw()
        me.type("stty size\r")
        me.sees("31 101")
        me.sees(PROMPT)
        me.resize(20, 70)
        me.type("stty size\r")
        me.sees("20 70")
        me.sees(PROMPT)
        me.type("sleep 1000\r")
        me.sees("sleep 1000")
        time.sleep(0.2)
        me.type("\x03")
        me.sees(PROMPT)
        me.type("echo code $?\r")
        me.sees("code 130")
        me.type("exit 3\r")
        assert me.code() == 3
        assert me.has_the_terminal_back()


def test_a_stop_and_a_continue_leave_the_session_whole(stack: Stack) -> None:
    with at_terminal(stack, "exec", "web", "sh") as me:
        me.sees(PROMPT)
        me.signal(signal.SIGSTOP)
        import termios

        termios.tcsetattr(me.slave, termios.TCSANOW, me.before)  # what a shell does meanwhile
        me.resize(33, 90, tell=False)
        me.signal(signal.SIGCONT)
        me.awaits_keys()
        me.type("stty size\r")
        me.sees("33 90")
        me.type("exit\r")
        assert me.code() == 0


@pytest.mark.parametrize("keys", [None, "ctrl-x,x"])
def test_detach_keys_leave_the_process_behind(stack: Stack, keys: str | None) -> None:
    options = ("--detach-keys", keys) if keys else ()
    with at_terminal(stack, "exec", *options, "web", "sh") as me:
        me.sees(PROMPT)
        me.type("sleep 4321\r")
        me.sees("4321")
        me.type("\x18x" if keys else "\x10\x11")
        assert me.code() == 0
        assert me.has_the_terminal_back()
    eventually(lambda: processes(stack, "sleep 4321"))
    end(stack, "sleep 4321")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back_and_ends_the_process(stack: Stack, number: signal.Signals) -> None:
    with at_terminal(stack, "exec", "web", "sleep", "5432") as me:
        me.awaits_keys()
        eventually(lambda: processes(stack, "5432"))
        me.signal(number)
        assert me.code() == 128 + number
        assert me.has_the_terminal_back()
    eventually(lambda: not processes(stack, "5432"))


def test_a_window_that_is_closed_takes_its_process_along(stack: Stack) -> None:
    with at_terminal(stack, "exec", "web", "sleep", "6543") as me:
        me.awaits_keys()
        eventually(lambda: processes(stack, "6543"))
        me.hang_up()
        assert me.code() == 128 + signal.SIGHUP
    eventually(lambda: not processes(stack, "6543"))


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 42"), 42),
        (("sh", "-c", "kill -9 $$"), 137),
        (("nosuch",), 127),
        (("/nosuch/program",), 127),
        (("/etc",), 126),
        (("/etc/hosts",), 126),
    ],
)
@pytest.mark.parametrize("options", [("-T",), ()])
def test_exit_codes(stack: Stack, options: tuple[str, ...], argv: tuple[str, ...], code: int) -> None:
    if options:
        assert stack.call("exec", *options, "web", *argv).returncode == code
    else:
        with at_terminal(stack, "exec", "web", *argv) as me:
            assert me.code() == code


def test_a_detached_process(stack: Stack) -> None:
    stack.ok("exec", "-d", "-e", "X=made", "-w", "/tmp", "web", "sh", "-c", "echo $X > here; sleep 7654")
    eventually(lambda: stack.call("exec", "-T", "web", "cat", "/tmp/here").stdout == "made\n")
    failed = stack.call("exec", "-d", "web", "nosuch")
    assert failed.returncode == 127
    assert "nosuch" in failed.stderr
    end(stack, "sleep 7654")


def test_what_is_privileged_has_every_capability(stack: Stack) -> None:
    def effective(*options: str) -> int:
        text = stack.ok("exec", "-T", *options, "web", "grep", "CapEff", "/proc/self/status")
        return int(text.split()[1], 16)

    assert effective() == 0xA80425FB
    ours = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd")
    )
    assert effective("--privileged") == int(ours.split()[1], 16)


def test_pipes_are_bytes_with_an_end(stack: Stack, tmp_path: Path) -> None:
    blob = os.urandom(3_000_000)
    argv = [str(COMPOSER), "exec", "-T", "web"]
    run = {"cwd": stack.directory, "env": stack.store.environment, "timeout": 60}
    subprocess.run([*argv, "sh", "-c", "cat > /tmp/blob"], input=blob, check=True, **run)
    done = subprocess.run([*argv, "cat", "/tmp/blob"], capture_output=True, check=True, **run)
    assert done.stdout == blob
    both = subprocess.run(
        [*argv, "sh", "-c", "cat; echo err >&2"], input=b"in\n", capture_output=True, check=False, **run
    )
    assert (both.stdout, both.stderr) == (b"in\n", b"err\n")


def test_whoever_reads_no_more_ends_it_without_a_traceback(stack: Stack) -> None:
    before = set(stack.rows())
    for verb in ("exec -T web yes", "run --rm -T web yes", "ps", "logs trap"):
        script = f"{COMPOSER} {verb} | head -1"
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=stack.directory,
            env=stack.store.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout
        assert "Traceback" not in done.stderr, done.stderr
    eventually(lambda: not processes(stack, "yes"))
    assert set(stack.rows()) == before


def test_signals_are_passed_on_without_a_terminal(stack: Stack) -> None:
    script = 'trap "echo got; exit 7" TERM; echo ready; while :; do sleep 0.1; done'
    program = stack.start("exec", "-T", "web", "sh", "-c", script)
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.terminate()
    said, _ = program.communicate(timeout=10)
    assert (program.returncode, said) == (7, "got\n")


def test_through_another_terminal_as_ssh_makes_one(stack: Stack) -> None:
    if shutil.which("script") is None:
        pytest.skip("script(1) is not installed")
    argv = [
        "/usr/bin/script",
        "-qec",
        f"{COMPOSER} exec web sh -c 'tty; stty size; read x; echo got-$x; exit 5'",
        "/dev/null",
    ]
    environment = {**stack.store.environment, "TERM": "xterm", "SHELL": "/bin/sh"}
    with user(argv, directory=stack.directory, environment=environment, rows=40, columns=120) as me:
        me.sees("/dev/pts/")
        me.sees("40 120")
        me.type("typed\r")
        me.sees("got-typed")
        assert me.code() == 5
        assert me.has_the_terminal_back()


def test_in_tmux(stack: Stack) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    label = f"composer-{os.getpid()}"

    def tmux(*argv: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", label, "-f", "/dev/null", *argv],
            cwd=stack.directory,
            env={**stack.store.environment, "TERM": "xterm", "PS1": "host> "},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    tmux("new-session", "-d", "-x", "100", "-y", "30", "bash --norc")
    try:
        tmux("send-keys", f"{COMPOSER} exec web sh; echo code $?", "Enter")
        eventually(
            lambda: (
                PROMPT.strip() in tmux("capture-pane", "-p").splitlines()[-1:]
                or "/ #" in tmux("capture-pane", "-p")
            )
        )
        tmux("resize-window", "-x", "90", "-y", "25")
        tmux("send-keys", "stty size; exit 4", "Enter")
        eventually(lambda: "code 4" in tmux("capture-pane", "-p"))
        assert "25 90" in tmux("capture-pane", "-p")
    finally:
        tmux("kill-server")


# --------------------------------------------------------------------------- attach


def test_attach_to_a_terminal_and_leave_it(stack: Stack) -> None:
    with at_terminal(stack, "attach", "shell", rows=29, columns=77) as me:
        me.awaits_keys()
        me.type("stty size\r")
        me.sees("29 77")
        me.type("\x10\x11")
        assert me.code() == 0
        assert me.has_the_terminal_back()
    assert stack.rows()["shell-1"]["State"] == "running"


def test_attach_ends_as_the_container_does(stack: Stack) -> None:
    with at_terminal(stack, "attach", "shell") as me:
        me.awaits_keys()
        me.type("exit 6\r")
        assert me.code() == 6
        assert me.has_the_terminal_back()
    stack.ok("start", "shell")


def test_attached_pipes_leave_stdin_open_for_the_next(stack: Stack) -> None:
    for word in ("first", "second"):
        program = subprocess.Popen(
            [str(COMPOSER), "attach", "--sig-proxy=false", "cat"],
            cwd=stack.directory,
            env=stack.store.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(f"{word}\n")
        program.stdin.flush()
        assert program.stdout.readline() == f"{word}\n"
        program.stdin.close()
        program.terminate()
        program.wait(timeout=10)
        program.stdout.close()
    assert stack.rows()["cat-1"]["State"] == "running"


def test_attach_passes_signals_on(stack: Stack) -> None:
    program = stack.start("attach", "trap")
    time.sleep(1.0)  # a signal before it is attached would only end the client
    program.terminate()
    said, _ = program.communicate(timeout=10)
    assert (program.returncode, said) == (7, "got\n")
    stack.ok("start", "trap")


def test_a_stopped_client_does_not_keep_a_container_from_ending(stack: Stack) -> None:
    """F34: as with Docker, whoever is attached and does not read holds back what the container writes."""
    client = stack.start("attach", "--no-stdin", "cat")
    time.sleep(1.0)
    client.send_signal(signal.SIGSTOP)
    try:
        with open(f"/proc/{stack.pid('cat-1')}/fd/0", "wb", buffering=0) as stdin:
            os.set_blocking(stdin.fileno(), False)
            eventually(lambda: stdin.write(b"x" * 1023 + b"\n") is None)
        began = time.monotonic()
        stack.ok("stop", "-t", "1", "cat")
        assert time.monotonic() - began < 8
    finally:
        client.send_signal(signal.SIGCONT)
        client.communicate(timeout=10)
    stack.ok("start", "cat")


def test_a_stopped_reader_of_logs_never_blocks_a_container(stack: Stack) -> None:
    """F34."""
    client = stack.start("logs", "-f", "cat")
    time.sleep(1.0)
    client.send_signal(signal.SIGSTOP)
    try:
        with open(f"/proc/{stack.pid('cat-1')}/fd/0", "wb", buffering=0) as stdin:
            os.set_blocking(stdin.fileno(), False)
            written, deadline = 0, time.monotonic() + 30
            while written < 4_000_000 and time.monotonic() < deadline:
                written += stdin.write(b"x" * 1023 + b"\n") or 0
        assert written >= 4_000_000
    finally:
        client.send_signal(signal.SIGCONT)
        client.kill()
        client.communicate(timeout=10)


def test_attach_needs_a_running_container(stack: Stack) -> None:
    stack.ok("stop", "-t", "0", "trap")
    done = stack.call("attach", "trap")
    assert (done.returncode, "not running" in done.stderr) == (1, True)
    stack.ok("start", "trap")


# --------------------------------------------------------------------------- run


def test_run_at_a_terminal(stack: Stack) -> None:
    with at_terminal(stack, "run", "--rm", "--name", "mine", "web", "sh", rows=30, columns=99) as me:
        me.sees(PROMPT)
        me.type("stty size; echo $0\r")
        me.sees("30 99")
        me.sees(PROMPT)
        me.type("exit 9\r")
        assert me.code() == 9
        assert me.has_the_terminal_back()
    assert "mine" not in stack.ok("ps", "-a", "--format", "{{.Name}}")


def test_run_through_pipes(stack: Stack) -> None:
    done = subprocess.run(
        [str(COMPOSER), "run", "--rm", "-T", "web", "sh", "-c", "cat; echo err >&2; exit 5"],
        cwd=stack.directory,
        env=stack.store.environment,
        input=b"through\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (5, b"through\n")
    assert done.stderr.endswith(b"err\n")


def test_run_with_everything_that_changes_the_container(stack: Stack, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "given").write_text("from here")
    (tmp_path / "vars").write_text("A=file\nB=file\n")
    script = "cat /there/given; echo; echo $A $B; id -u; pwd; grep CapEff /proc/self/status; touch /there/x"
    said = stack.call(
        "run", "--rm", "-T", "-v", f"{tmp_path}:/there:ro", "--env-from-file", str(tmp_path / "vars"),
        "-e", "B=own", "-u", "5", "-w", "/tmp", "--cap-add", "SYS_TIME", "--cap-drop", "CHOWN", "-l", "a=b",
        "--no-deps", "web", "sh", "-c", script,
    )  # fmt: skip
    assert said.stdout.splitlines()[:4] == ["from here", "file own", "5", "/tmp"]
    assert "Read-only" in said.stderr
    assert said.returncode == 1


def test_run_publishes_what_it_is_told(stack: Stack) -> None:
    name = stack.ok("run", "-d", "-q", "-p", "127.0.0.1::99", "web", "sleep", "1000").strip()
    row = stack.rows()[name.removeprefix(f"{stack.name}-")]
    ports = row["Publishers"]
    assert isinstance(ports, list)
    assert [(port["TargetPort"], port["URL"]) for port in ports] == [(99, "127.0.0.1")]
    assert row["Labels"]["com.docker.compose.oneoff"] == "True"  # type: ignore[index]


def test_a_detached_container_removes_itself(stack: Stack) -> None:
    name = stack.ok("run", "-d", "-q", "--rm", "web", "sleep", "0.3").strip().removeprefix(f"{stack.name}-")
    eventually(lambda: name not in stack.rows())


def test_a_program_that_is_not_there(stack: Stack) -> None:
    done = stack.call("run", "--rm", "-T", "web", "nosuch")
    assert done.returncode == 127
    assert "nosuch" in done.stderr
    assert not [name for name, row in stack.rows().items() if "-run-" in name and row["State"] == "created"]
