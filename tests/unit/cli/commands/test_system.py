"""``composer system``: sub-verbs are modules of their own."""

import pytest

from composer import errors
from composer.cli.commands import system
from tests.fakes.command_line import Stage


@pytest.mark.parametrize("verb", sorted(system.VERBS))
def test_every_sub_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Stage(None, []).run(system, [verb, "--help"])
    assert f"composer system {verb}" in capsys.readouterr().out


def test_a_typo_is_recognised() -> None:
    with pytest.raises(errors.UsageError, match="unknown command 'chek'") as caught:
        Stage(None, []).run(system, ["chek"])
    assert caught.value.hint == "Did you mean `composer system check`?"
