"""`composer container`: sub-verbs and what they ask of supervisors."""

import importlib

import pytest

from composer.cli import arguments, main
from composer.cli.commands import container


@pytest.mark.parametrize("verb", container.VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["container", verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert container.VERBS[verb][1] in shown
    assert "examples:\n" in shown
    assert f"composer container {verb}" in shown


def test_the_list_of_verbs_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["container", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb}" in shown for verb in container.VERBS)


def test_an_unknown_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["container", "inspct"]) == 16
    assert "Did you mean `composer container inspect`?" in capsys.readouterr().err


@pytest.mark.parametrize("verb", container.VERBS)
def test_examples_parse(verb: str) -> None:
    import shlex

    module = importlib.import_module(f"composer.cli.containerverbs.{container.VERBS[verb][0]}")
    for line in module.EXAMPLES.splitlines():
        words = shlex.split(next(part for part in line.split(" | ") if part.startswith("composer")))
        assert words[:2] == ["composer", "container"]
        parser = arguments.Parser(prog="x", description="x", conflicts="resolve")
        module.add_options(parser)
        parser.parse_args(words[3:])


@pytest.mark.parametrize("words", [["stop", "web"], ["rm", "web"], ["inspect", "web"], ["kill", "web"]])
def test_a_container_that_is_not_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["container", *words]) == 1
    assert "no such container: web" in capsys.readouterr().err


def test_forced_removal_of_nothing_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["container", "rm", "-f", "web"]) == 0
    assert "no such container" in capsys.readouterr().err


def test_an_empty_store_lists_only_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["container", "ls"]) == 0
    assert capsys.readouterr().out.split() == [
        "CONTAINER",
        "ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ]
