"""``composer image``: sub-verbs are modules of their own."""

import pytest

from composer import errors
from composer.cli.commands import image
from tests.fakes.command_line import Stage


def test_a_typo_is_recognised() -> None:
    with pytest.raises(errors.UsageError, match="unknown command 'inspct'") as caught:
        Stage(None, []).run(image, ["inspct"])
    assert caught.value.hint == "Did you mean `composer image inspect`?"


@pytest.mark.parametrize("verb", ["ls", "list"])
def test_an_empty_store_is_an_empty_table(verb: str) -> None:
    stage = Stage(None, [])
    assert stage.run(image, [verb]) == 0
    assert stage.out.getvalue().split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]


@pytest.mark.parametrize("verb", sorted(image.VERBS))
def test_every_sub_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Stage(None, []).run(image, [verb, "--help"])
    assert ended.value.code == 0
    assert f"composer image {verb}" in capsys.readouterr().out
