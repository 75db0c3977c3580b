"""From arguments to exit codes; no failure shows a traceback."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from composer import errors
from composer.cli import main, verbs
from composer.cli.commands import plan, version
from composer.cli.session import Session


def test_no_verb_shows_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 16
    assert "verbs:" in capsys.readouterr().out


@pytest.mark.parametrize("verb", sorted(verbs.VERBS))
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([verb, "--help"]) == 0
    assert f"examples:\n  composer {verb}" in capsys.readouterr().out


def test_help_of_a_verb_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["help", "ps"]) == 0
    assert "usage: composer ps" in capsys.readouterr().out


def test_unknown_verbs_get_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["pss"]) == 16
    shown = capsys.readouterr()
    assert shown.err == "error: unknown command 'pss'\nhint: Did you mean `composer ps`?\n"
    assert shown.out == ""


def test_version_as_root_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["-v"]) == 0
    assert capsys.readouterr().out.startswith("composer version ")


def _failing(error: BaseException) -> object:
    def execute(_session: Session, _options: object) -> int:
        raise error

    return execute


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (
            errors.PortTaken("port 80 is taken", hint="by nginx"),
            17,
            "error: port 80 is taken\nhint: by nginx\n",
        ),
        (errors.OperationFailed("web exited"), 1, "error: web exited\n"),
        (errors.BuildError("step 2", output="\x1b[2Jtail\n"), 19, "\\x1b[2Jtail\nerror: step 2\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_text_and_status(
    error: BaseException,
    code: int,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(version, "execute", _failing(error))
    assert main.run(["version"]) == code
    assert capsys.readouterr().err == shown


def test_a_bug_is_one_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(version, "execute", _failing(ZeroDivisionError("oops")))
    assert main.run(["version"]) == 70
    shown = capsys.readouterr().err
    assert shown.startswith("internal error: ZeroDivisionError: oops; please report it with ")
    assert shown.count("\n") == 1
    (report,) = (tmp_path / "run").glob("error-*.txt")
    assert str(report) in shown
    assert "Traceback" in report.read_text()


def test_plan_has_its_own_exit_code_for_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plan, "execute", _failing(errors.ImageNotFound("no image")))
    assert main.run(["plan"]) == 1
    assert capsys.readouterr().err == "error: no image\n"


def test_hostile_text_in_errors_is_escaped() -> None:
    stream = io.StringIO()
    main.show_error(errors.OperationFailed("log: \x1b]0;x\x07"), stream)
    assert stream.getvalue() == "error: log: \\x1b]0;x\\x07\n"


class _Broken(io.StringIO):
    """A standard output that cannot be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def flush(self) -> None:
        raise self.error


def test_a_full_disk_behind_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", _Broken(OSError(28, "No space left on device")))
    assert main.run(["version"]) == 1
    assert capsys.readouterr().err == "error: cannot write the output: No space left on device\n"


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-c", "from composer.__main__ import main; main()", "version"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, cwd=Path.cwd(), check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")
    assert not (tmp_path / "run").exists()


def test_the_entry_point_flushes_and_ends_with_the_code() -> None:
    command = [sys.executable, "-m", "composer"]
    done = subprocess.run([*command, "version", "--short"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b".") == 2
    done = subprocess.run([*command, "nope"], capture_output=True, check=False)
    assert done.returncode == 16
    assert done.stderr.startswith(b"error: unknown command 'nope'\n")


def test_the_thin_client_imports_nothing_heavy() -> None:
    heavy = "attrs attr trio networkx jsonschema yaml rich sqlite3 asyncio dataclasses subprocess inspect"
    program = (
        "import sys, composer.cli.main, composer.cli.request\n"
        "import composer.cli.commands.ps, composer.cli.commands.up, composer.cli.commands.logs\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
