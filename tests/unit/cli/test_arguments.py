"""The command line is cut and read as Docker Compose reads it."""

import pytest

from composer import errors
from composer.cli import arguments


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], ([], "", [])),
        (["up", "-d"], ([], "up", ["-d"])),
        (["-f", "a", "logs", "-f"], (["-f", "a"], "logs", ["-f"])),
        (["-fa", "ps"], (["-fa"], "ps", [])),
        (["--file=a", "ps"], (["--file=a"], "ps", [])),
        (["-f", "-", "config"], (["-f", "-"], "config", [])),
        (["--ansi", "never", "-p", "up", "down"], (["--ansi", "never", "-p", "up"], "down", [])),
        (["--version"], (["--version"], "", [])),
        (["-p"], (["-p"], "", [])),
    ],
)
def test_splits_before_the_verb(argv: list[str], expected: tuple[list[str], str, list[str]]) -> None:
    assert arguments.split(argv) == expected


def test_root_options_repeat() -> None:
    root = arguments.root_parser().parse_args(["-f", "a", "-f", "b", "--profile", "x", "--profile", "y"])
    assert (root.files, root.profiles) == (["a", "b"], ["x", "y"])


def test_environment_gives_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROGRESS", "json")
    monkeypatch.setenv("COMPOSE_ANSI", "sometimes")
    root = arguments.root_parser().parse_args([])
    assert (root.progress, root.ansi) == ("json", "auto")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--scale", "web"], "SERVICE=NUMBER"),
        (["--scale", "web=-1"], "SERVICE=NUMBER"),
    ],
)
def test_wrong_options_are_usage_errors(argv: list[str], message: str) -> None:
    parser = arguments.Parser(prog="composer up", description="")
    arguments.add_reconciliation(parser)
    with pytest.raises(errors.UsageError, match=message) as caught:
        parser.parse_args(argv)
    assert caught.value.hint == "See `composer up --help`."


def test_an_unknown_option_comes_with_the_one_that_was_meant() -> None:
    parser = arguments.Parser(prog="composer up", description="")
    arguments.add_reconciliation(parser)
    with pytest.raises(errors.UsageError, match="unknown option --scal$") as caught:
        parser.parse_args(["--scal=web=1"])
    assert caught.value.hint == "Did you mean --scale?"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--detach=false", "web", "id"], (False, ["id"])),
        (["--detach=true", "web", "id"], (True, ["id"])),
        (["-d", "--detach=0", "web", "id"], (False, ["id"])),
        (["-e", "A=1", "web", "id", "--detach=true"], (False, ["id", "--detach=true"])),
    ],
)
def test_a_flag_may_say_its_value(argv: list[str], expected: tuple[bool, list[str]]) -> None:
    parser = arguments.Parser(prog="composer exec", description="")
    arguments.add_process(parser)
    arguments.add_command(parser)
    options = parser.parse_args(argv)
    assert (options.detach, options.command) == expected


def test_what_has_no_effect_is_said() -> None:
    parser = arguments.Parser(prog="composer create", description="")
    arguments.add_yes(parser)
    assert parser.parse_args(["-y"]).without_effect == ["-y has no effect: nothing is asked"]
    assert not hasattr(parser.parse_args([]), "without_effect")


@pytest.mark.parametrize(("value", "expected"), [("7", 7), ("", -1), ("many", -1), ("-1", -1)])
def test_the_limit_of_steps_at_once(monkeypatch: pytest.MonkeyPatch, value: str, expected: int) -> None:
    monkeypatch.setenv("COMPOSE_PARALLEL_LIMIT", value)
    assert arguments.root_parser().parse_args([]).parallel == expected
    assert arguments.root_parser().parse_args(["--parallel", "3"]).parallel == 3


def test_timeout_is_not_negative() -> None:
    parser = arguments.Parser(prog="composer stop", description="")
    arguments.add_timeout(parser)
    assert parser.parse_args(["-t", "0"]).timeout == 0
    with pytest.raises(errors.UsageError, match="number of seconds"):
        parser.parse_args(["-t", "-3"])


def test_everything_after_the_service_is_the_command() -> None:
    parser = arguments.Parser(prog="composer exec", description="")
    arguments.add_process(parser)
    arguments.add_command(parser)
    options = parser.parse_args(["-T", "-e", "A=1", "web", "ls", "-e", "--", "-T"])
    assert (options.service, options.command, options.env) == ("web", ["ls", "-e", "--", "-T"], ["A=1"])


def test_a_separator_before_the_command_is_dropped() -> None:
    assert arguments.command_of(["--", "ls", "--"]) == ["ls", "--"]


def test_variables_come_from_the_option_or_from_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "here")
    monkeypatch.delenv("ABSENT", raising=False)
    assert arguments.key_values(["A=1=2", "B=", "MINE", "ABSENT"]) == {"A": "1=2", "B": "", "MINE": "here"}
    with pytest.raises(errors.UsageError):
        arguments.key_values(["=x"])
