"""What every ``protocols.Runtime`` promises; the real driver needs root and is tried with each OCI runtime."""

from __future__ import annotations

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from composer import errors
from composer.host import process
from composer.host.paths import Paths
from composer.model.image import ImageConfig
from composer.model.protocols import ExecRequest, MaterialFile, Runtime
from composer.model.quantity import ByteSize
from composer.model.stack import Limits
from composer.runtime import logs
from tests.fakes.runtime import FakeRuntime
from tests.workbench import Workbench, eventually, workbench


@attrs.frozen
class Subject:
    """The runtime under test, and the bench that makes requests for it."""

    runtime: Runtime
    bench: Workbench

    def started(self, *argv: str, **fields: object) -> str:
        request = self.bench.request(*argv, **fields)
        self.runtime.create(request)
        self.runtime.start(request.id)
        return request.id

    def exit_code(self, container_id: str) -> int:
        eventually(lambda: self.runtime.state(container_id).exit_code is not None)
        code = self.runtime.state(container_id).exit_code
        assert code is not None
        return code


@pytest.fixture(
    params=[
        "fake",
        pytest.param("crun", marks=pytest.mark.root),
        pytest.param("runc", marks=pytest.mark.root),
    ]
)
def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subject]:
    if request.param == "fake":
        data = Path(tempfile.mkdtemp(prefix="composer-test-"))
        bench = Workbench(Paths(data, data), None, None, None, data / "root")  # type: ignore[arg-type]
        yield Subject(FakeRuntime(), bench)
        shutil.rmtree(data)
        return
    if shutil.which(request.param, path=process.ENVIRONMENT["PATH"]) is None:
        pytest.skip(f"{request.param} is not installed")
    monkeypatch.setenv("COMPOSER_RUNTIME", request.param)
    with workbench() as bench:
        yield Subject(bench.runtime, bench)  # type: ignore[arg-type]


def test_a_created_container_lives_and_does_not_run(subject: Subject) -> None:
    request = subject.bench.request("/bin/sleep", "1000")
    identity = subject.runtime.create(request)
    state = subject.runtime.state(request.id)
    assert (state.exists, state.is_running, state.init, state.is_monitored) == (True, False, identity, True)
    assert state.exit_code is None
    subject.runtime.start(request.id)
    state = subject.runtime.state(request.id)
    assert (state.is_running, state.init) == (True, identity)


@pytest.mark.parametrize(
    ("argv", "code"), [(("/bin/true",), 0), (("/bin/false",), 1), (("/bin/sh", "-c", "exit 7"), 7)]
)
def test_the_exit_code_is_the_programs(subject: Subject, argv: tuple[str, ...], code: int) -> None:
    container_id = subject.started(*argv)
    assert subject.exit_code(container_id) == code
    state = subject.runtime.state(container_id)
    assert (state.exists, state.is_running, state.init, state.oom_killed) == (True, False, None, False)
    assert state.finished_at > 1e9


def test_what_it_says_is_logged(subject: Subject) -> None:
    request = subject.bench.request("/bin/echo", "hello", "there")
    subject.runtime.create(request)
    subject.runtime.start(request.id)
    assert subject.exit_code(request.id) == 0
    assert [(r.stream, r.text) for r in logs.read_records(request.log)] == [("stdout", b"hello there")]


def test_the_image_says_what_to_run(subject: Subject) -> None:
    request = subject.bench.request(image=ImageConfig(entrypoint=("/bin/sh",), command=("-c", "exit 9")))
    subject.runtime.create(request)
    subject.runtime.start(request.id)
    assert subject.exit_code(request.id) == 9


def test_nothing_to_run_is_refused(subject: Subject) -> None:
    with pytest.raises(errors.OperationFailed, match="what to run"):
        subject.runtime.create(subject.bench.request())


def test_kill_reaches_the_first_process(subject: Subject) -> None:
    container_id = subject.started("/bin/sleep", "1000")
    subject.runtime.kill(container_id, signal.SIGKILL)
    assert subject.exit_code(container_id) == 128 + signal.SIGKILL
    subject.runtime.kill(container_id, signal.SIGKILL)  # gone: no error
    assert subject.exit_code(container_id) == 128 + signal.SIGKILL


def test_what_is_not_there_is_not_an_error_to_end(subject: Subject) -> None:
    request = subject.bench.request("/bin/true")
    subject.runtime.kill(request.id, signal.SIGTERM)
    subject.runtime.kill_all(request.id)
    subject.runtime.release(request.id)
    subject.runtime.remove(request.id)
    state = subject.runtime.state(request.id)
    assert (state.exists, state.is_running, state.init, state.exit_code) == (False, False, None, None)


def test_kill_all_ends_it(subject: Subject) -> None:
    container_id = subject.started("/bin/sleep", "1000")
    subject.runtime.kill_all(container_id)
    eventually(lambda: subject.runtime.state(container_id).init is None)
    assert not subject.runtime.state(container_id).is_running


def test_a_paused_container_runs_and_does_nothing(subject: Subject) -> None:
    identity = subject.started("sleep", "60")
    subject.runtime.pause(identity)
    state = subject.runtime.state(identity)
    assert (state.is_running, state.is_paused) == (True, True)
    subject.runtime.resume(identity)
    assert not subject.runtime.state(identity).is_paused
    subject.runtime.pause(identity)
    subject.runtime.kill_all(identity)
    assert subject.exit_code(identity) == 137


def test_release_forgets_the_container_and_keeps_its_files(subject: Subject) -> None:
    request = subject.bench.request("/bin/sleep", "1000")
    subject.runtime.write_files(request.id, [MaterialFile(target="/run/secrets/a", content=b"marker")])
    identity = subject.runtime.create(request)
    subject.runtime.start(request.id)
    for _ in range(2):
        subject.runtime.release(request.id)
        assert not subject.runtime.state(request.id).exists
        assert subject.runtime.has_files(request.id)
    assert not process.is_alive(identity)
    for _ in range(2):
        subject.runtime.remove(request.id)
        assert not subject.runtime.has_files(request.id)


def test_a_container_can_be_made_again(subject: Subject) -> None:
    request = subject.bench.request("/bin/sh", "-c", "exit 3")
    for _ in range(2):
        subject.runtime.create(request)
        assert subject.runtime.state(request.id).exit_code is None
        subject.runtime.start(request.id)
        assert subject.exit_code(request.id) == 3


def test_a_living_container_gives_way_to_its_next_incarnation(subject: Subject) -> None:
    request = subject.bench.request("/bin/sleep", "1000")
    former = subject.runtime.create(request)
    later = subject.runtime.create(request)
    assert former != later
    assert not process.is_alive(former)
    assert subject.runtime.state(request.id).init == later


def test_execute_gives_output_and_exit_code(subject: Subject) -> None:
    container_id = subject.started("/bin/sleep", "1000")
    done = subject.runtime.execute(container_id, ExecRequest(argv=("/bin/echo", "hi")), seconds=20)
    assert (done.exit_code, done.output) == (0, b"hi\n")
    done = subject.runtime.execute(container_id, ExecRequest(argv=("/bin/sh", "-c", "exit 5")), seconds=20)
    assert (done.exit_code, done.output) == (5, b"")
    done = subject.runtime.execute(container_id, ExecRequest(argv=("/bin/sleep", "1000")), seconds=0.3)
    assert done.exit_code is None
    assert subject.runtime.state(container_id).is_running


def test_execute_needs_a_running_container(subject: Subject) -> None:
    container_id = subject.started("/bin/true")
    subject.exit_code(container_id)
    with pytest.raises(errors.OperationFailed, match="not running"):
        subject.runtime.execute(container_id, ExecRequest(argv=("/bin/true",)), seconds=5)


def test_limits_change_in_place(subject: Subject) -> None:
    container_id = subject.started("/bin/sleep", "1000", limits=Limits(pids=50))
    identity = subject.runtime.state(container_id).init
    subject.runtime.update_limits(container_id, Limits(memory=ByteSize(64 << 20), cpus=0.5, pids=60))
    state = subject.runtime.state(container_id)
    assert (state.is_running, state.init) == (True, identity)


def test_a_step_runs_to_its_end(subject: Subject) -> None:
    said: list[bytes] = []
    never = process.StopFlag()
    assert subject.runtime.run_step(subject.bench.step("/bin/echo", "built"), said.append, never) == 0
    assert b"".join(said) == b"built\n"
    assert subject.runtime.run_step(subject.bench.step("/bin/sh", "-c", "exit 4"), said.append, never) == 4


def test_a_step_can_be_stopped(subject: Subject) -> None:
    flag = process.StopFlag()
    timer = threading.Timer(0.3, flag.set)  # at whatever moment: before, while or after it is made
    timer.start()
    with pytest.raises(errors.Interrupted):
        subject.runtime.run_step(subject.bench.step("/bin/sleep", "1000"), lambda _: None, flag)
    timer.join()


def test_a_step_that_must_stop_before_it_begins_does_not_run(subject: Subject) -> None:
    flag = process.StopFlag()
    flag.set()
    with pytest.raises(errors.Interrupted):
        subject.runtime.run_step(subject.bench.step("/bin/sleep", "1000"), lambda _: None, flag)
