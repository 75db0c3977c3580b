"""What may come next on a command line, and the shells that ask."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from composer.cli import completion, verbs

KNOWN = {
    "SERVICE": [("db", "postgres"), ("web", "nginx")],
    "CONTAINER": [("demo-web-1", "nginx")],
    "IMAGE": [("nginx", "")],
}


def words(line: str) -> list[str]:
    """The candidates for a line with the cursor at its end."""
    found = completion.candidates(line.split(" "), lambda kind: KNOWN.get(kind, []))
    return [word for word, _ in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pau", ["pause"]),
        ("nosuch ", []),
        ("--ansi ", ["never", "always", "auto"]),
        ("--project-n", ["--project-name"]),
        ("-p demo lo", ["login", "logout", "logs"]),
        ("logs ", ["db", "web"]),
        ("logs w", ["web"]),
        ("logs web ", ["db"]),
        ("logs --fol", ["--follow"]),
        ("logs --tail ", []),
        ("exec ", ["db", "web"]),
        ("exec web ", []),
        ("exec web --fol", []),
        ("exec -e A=1 ", ["db", "web"]),
        ("up --pull=al", ["--pull=always"]),
        ("up --pull ne", ["never"]),
        ("container st", ["start", "stats", "stop"]),
        ("container stop ", ["demo-web-1"]),
        ("container stop --ti", ["--timeout"]),
        ("completion ", ["bash", "fish", "zsh"]),
    ],
)
def test_candidates(line: str, expected: list[str]) -> None:
    assert words(line) == expected


def test_every_verb_is_offered_with_its_description() -> None:
    assert completion.candidates([""], lambda _: []) == list(verbs.VERBS.items())


def _environment(tmp_path: Path) -> dict[str, str]:
    """A directory with a stack, and a PATH on which composer is this tree's."""
    (tmp_path / "compose.yaml").write_text("name: c\nservices:\n  alpha: {image: a}\n  beta: {image: b}\n")
    program = Path(sys.executable).with_name("composer")
    return {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "COMPOSER_DATA": str(tmp_path / "data"),
        "COMPOSER_RUN": str(tmp_path / "run"),
    }


def _asked(argv: list[str], tmp_path: Path) -> list[str]:
    done = subprocess.run(
        argv,
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


BASH = """
source <(composer completion bash)
complete_line() {
    COMP_LINE=$1 COMP_POINT=${#1}
    _composer
    printf '%s\\n' "${COMPREPLY[@]}"
}
complete_line "$1"
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("composer unp", ["unpause"]),
        ("composer logs ", ["alpha", "beta"]),
        ("composer logs al", ["alpha"]),
        ("composer up --pull=al", ["always"]),
        ("composer up --scale be", ["beta="]),
    ],
)
def test_bash(tmp_path: Path, line: str, expected: list[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    # compopt works only while readline completes: a function stands in for it
    script = f"compopt() {{ :; }}\n{BASH}"
    assert _asked(["bash", "--norc", "-c", script, "bash", line], tmp_path) == expected


def test_zsh_reads_its_script(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = "autoload -U compinit; compinit -D; source <(composer completion zsh); print ${_comps[composer]}"
    assert _asked(["zsh", "-f", "-c", script], tmp_path) == ["_composer"]


def test_fish(tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "composer completion fish | source; complete -C 'composer logs '"
    found = _asked(["fish", "--no-config", "-c", script], tmp_path)
    assert [line.split("\t")[0] for line in found] == ["alpha", "beta"]
