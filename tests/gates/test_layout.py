"""What lies where: the top of the repository, and a test module beside every module of its name."""

from __future__ import annotations

import subprocess

from tests.gates import source

TOP = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "Makefile",
    "composer",
    "schemas",
    "examples",
    "tests",
    "docs",
}


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "-C", str(source.REPOSITORY), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    return [name for name in done.stdout.split("\0") if name]


def test_the_top_level_holds_what_a_newcomer_expects() -> None:
    names = {name.partition("/")[0] for name in tracked()}
    assert {name for name in names if not name.startswith(".")} <= TOP


def test_nothing_generated_is_kept() -> None:
    suffixes = (".pyc", ".so", ".egg-info", ".whl", ".tar.gz")
    assert [name for name in tracked() if name.endswith(suffixes) or "__pycache__" in name] == []


def test_unit_tests_lie_where_their_package_lies() -> None:
    packages = {path.parent.name for path in source.PACKAGE.glob("*/__init__.py")}
    tested = {path.name for path in (source.REPOSITORY / "tests/unit").iterdir() if path.is_dir()}
    assert tested - {"__pycache__"} <= packages
