"""Every verb says what it does, with an example, and every option and argument what it is for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import pytest

from composer.cli import arguments
from composer.cli.verbs import VERBS


def commands() -> Iterator[tuple[str, str]]:
    """Every command line prefix with the module that reads the rest."""
    for verb in VERBS:
        module = importlib.import_module(f"composer.cli.commands.{verb}")
        below = getattr(module, "VERBS", None)
        if below is None:
            yield verb, module.__name__
        else:
            for name, (target, _) in below.items():
                yield f"{verb} {name}", f"composer.cli.{verb}verbs.{target}"


COMMANDS = dict(commands())


def parser_of(name: str) -> arguments.Parser:
    module = importlib.import_module(COMMANDS[name])
    parser = arguments.Parser(prog=f"composer {name}", description="", conflicts="resolve")
    module.add_options(parser)
    return parser


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_argument_has_a_help_text(name: str) -> None:
    silent = [
        action.option_strings or action.dest
        for action in parser_of(name)._actions
        if not action.help or action.help is argparse.SUPPRESS
    ]
    assert silent == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_an_example_of_itself(name: str) -> None:
    examples: str = importlib.import_module(COMMANDS[name]).EXAMPLES
    names = {name, name.replace("container ps", "container ls")}
    assert any(f"composer {one}" in examples for one in names), examples


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_examples_are_command_lines_that_parse(name: str) -> None:
    """As far as they are one simple command each: no pipes, no substitutions."""
    import shlex

    examples: str = importlib.import_module(COMMANDS[name]).EXAMPLES
    for line in examples.splitlines():
        if not line.startswith("composer ") or any(sign in line for sign in "|;$<>`"):
            continue
        _, verb, rest = arguments.split(shlex.split(line)[1:])
        prefix = f"{verb} {rest[0]}" if rest and f"{verb} {rest[0]}" in COMMANDS else verb
        if prefix == name:
            parser_of(name).read(rest[1:] if " " in prefix else rest)


def test_root_options_have_help_texts() -> None:
    assert [action.dest for action in arguments.root_parser()._actions if not action.help] == []
