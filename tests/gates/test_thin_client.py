"""The command line starts fast because it imports little (docs/performance.md, the thin client).

Only ``up`` of a stack that does not run yet may need the heavy libraries.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("asyncio", "jsonschema", "networkx", "rich", "trio", "typing", "subprocess", "sqlite3")


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after ``statement``."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; {statement}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.fixture(scope="module")
def of_the_bare_interpreter() -> set[str]:
    """What ``site`` and its ``.pth`` files load anyway."""
    return loaded_after("pass")


@pytest.mark.parametrize(
    "verb", ["up", "ps", "down", "logs", "exec", "events", "kill", "start", "stop", "restart"]
)
def test_a_verb_for_a_running_stack_loads_nothing_heavy(verb: str, of_the_bare_interpreter: set[str]) -> None:
    loaded = loaded_after(f"import composer.cli.main, composer.cli.commands.{verb}")
    assert loaded.intersection(HEAVY) - of_the_bare_interpreter == set()


def test_the_measure_itself_works(of_the_bare_interpreter: set[str]) -> None:
    assert "trio" in loaded_after("import composer.engine.executor")
    assert "trio" not in of_the_bare_interpreter
