"""The version in each form."""

import json

import pytest

import composer
from composer.cli.commands import version
from tests.fakes.command_line import Stage


@pytest.mark.parametrize("argv", [["--short"], ["-f", "json"], []])
def test_forms(argv: list[str]) -> None:
    stage = Stage(None, [])
    assert stage.run(version, argv) == 0
    said = stage.out.getvalue().strip()
    assert (json.loads(said)["version"] if "json" in argv else said.split()[-1]) == composer.__version__
