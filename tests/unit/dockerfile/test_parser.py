from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer import errors
from composer.dockerfile import parser
from composer.dockerfile.syntax import (
    Arg,
    Cmd,
    Copy,
    Env,
    ExecForm,
    Expose,
    From,
    HealthcheckSetting,
    Instruction,
    Label,
    OnBuild,
    Run,
    Shell,
    ShellForm,
    Volume,
)
from composer.model.quantity import Duration
from composer.model.stack import Healthcheck


def one(text: str) -> Instruction:
    return parser.parse(f"FROM a\n{text}\n").instructions[1]


def test_a_file_keeps_places_and_texts() -> None:
    found = parser.parse("ARG v=1\n# c\nfrom a:$v as Base\nrun  x \\\n  y\n", "dir/Dockerfile")
    assert [found.place(i) for i in found.instructions] == [f"dir/Dockerfile:{n}" for n in (1, 3, 4)]
    assert [i.text for i in found.instructions] == ["ARG v=1", "FROM a:$v as Base", "RUN x y"]
    opening = found.instructions[1]
    assert isinstance(opening, From)
    assert (opening.base, opening.name) == ("a:$v", "base")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV a=b", (("a", "b"),)),
        ('ENV a="b c" d=e\\ f g=', (("a", '"b c"'), ("d", "e\\ f"), ("g", ""))),
        ("ENV a b c=d", (("a", "b c=d"),)),
        ("LABEL a.b=c", (("a.b", "c"),)),
    ],
)
def test_pairs(text: str, pairs: tuple[tuple[str, str], ...]) -> None:
    instruction = one(text)
    assert isinstance(instruction, Env | Label)
    assert instruction.pairs == pairs


def test_arguments_with_and_without_default() -> None:
    instruction = one('ARG a b=c d="e f"')
    assert isinstance(instruction, Arg)
    assert instruction.pairs == (("a", None), ("b", "c"), ("d", '"e f"'))


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("RUN a && b", ShellForm(text="a && b")),
        ('RUN ["a", "b c"]', ExecForm(argv=("a", "b c"))),
        ('RUN ["a" broken', ShellForm(text='["a" broken')),
        ("RUN [ -f x ]", ShellForm(text="[ -f x ]")),
        ("RUN <<EOF\na\nb\nEOF", ShellForm(text="a\nb\n")),
        ("RUN <<-EOF\n\ta\n\tEOF", ShellForm(text="a\n")),
        ("RUN cat <<A <<B\n1\nA\n2\nB", ShellForm(text="cat <<A <<B\n1\nA\n2\nB")),
        ("RUN python3 <<EOF\nprint()\nEOF", ShellForm(text="python3 <<EOF\nprint()\nEOF")),
    ],
)
def test_commands(text: str, command: ShellForm | ExecForm) -> None:
    instruction = one(text)
    assert isinstance(instruction, Run)
    assert instruction.command == command


@pytest.mark.parametrize("text", ["CMD []", "CMD"])
def test_an_empty_command_clears(text: str) -> None:
    instruction = one(text)
    assert isinstance(instruction, Cmd)
    assert instruction.command == ExecForm(argv=())


def test_copy() -> None:
    found = one("COPY --from=x --chown=1:2 --chmod=644 a b c/")
    assert isinstance(found, Copy)
    assert (found.sources, found.destination, found.origin, found.owner, found.mode, found.unpacks) == (
        ("a", "b"), "c/", "x", "1:2", "644", False,
    )  # fmt: skip


def test_add_in_json_form_and_with_inline_files() -> None:
    found = one('ADD ["a b", "c"]')
    assert isinstance(found, Copy)
    assert (found.sources, found.destination, found.unpacks) == (("a b",), "c", True)
    inline = one("COPY a <<'F' d/\nx $y\nF")
    assert isinstance(inline, Copy)
    assert inline.sources == ("a",)
    assert [(h.name, h.body, h.expands) for h in inline.inline] == [("F", "x $y\n", False)]


def test_healthcheck() -> None:
    found = one("HEALTHCHECK --interval=5s --timeout=1m --retries=3 CMD curl localhost")
    assert isinstance(found, HealthcheckSetting)
    assert found.healthcheck == Healthcheck(
        test=("CMD-SHELL", "curl localhost"),
        interval=Duration.parse("5s"),
        timeout=Duration.parse("1m"),
        retries=3,
    )
    nothing = one("HEALTHCHECK NONE")
    assert isinstance(nothing, HealthcheckSetting)
    assert nothing.healthcheck == Healthcheck(disabled=True)


def test_lists() -> None:
    expose, volume, shell = one("EXPOSE 80 $p/udp"), one('VOLUME ["/a b"]'), one('SHELL ["sh", "-ec"]')
    assert isinstance(expose, Expose)
    assert expose.ports == ("80", "$p/udp")
    assert isinstance(volume, Volume)
    assert volume.paths == ("/a b",)
    assert isinstance(shell, Shell)
    assert shell.argv == ("sh", "-ec")


def test_trigger_keeps_its_here_document() -> None:
    found = one("ONBUILD RUN <<EOF\na\nEOF")
    assert isinstance(found, OnBuild)
    (trigger,) = parser.parse_trigger(found.trigger, "img").instructions
    assert isinstance(trigger, Run)
    assert trigger.command == ShellForm(text="a\n")


def test_flags_of_run() -> None:
    found = one("RUN --mount=type=cache,target=/x --mount=target=/y --network=host --security=insecure a")
    assert isinstance(found, Run)
    assert found.mounts == ("type=cache,target=/x", "target=/y")
    assert (found.network, found.is_insecure) == ("host", True)


def test_a_script_with_an_interpreter_is_a_file() -> None:
    found = one("RUN <<-EOF\n#!/bin/sh\n\techo a\nEOF")
    assert isinstance(found, Run)
    assert found.command == ShellForm(text="/dev/pipes/EOF")
    assert found.script is not None
    assert found.script.body == "#!/bin/sh\necho a\n"


def test_flags_of_copies() -> None:
    found = one("COPY --link --parents --exclude=a --exclude=*.b x y")
    assert isinstance(found, Copy)
    assert (found.is_link, found.keeps_parents, found.excluded) == (True, True, ("a", "*.b"))
    found = one("ADD --link=false --unpack=true --keep-git-dir --checksum=sha256:0 https://h/x y")
    assert isinstance(found, Copy)
    assert (found.is_link, found.extracts, found.keeps_git_directory) == (False, True, True)
    assert (found.sources, found.checksum) == (("https://h/x",), "sha256:0")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("NOPE a", "unknown instruction: NOPE"),
        ("RUN", "RUN requires an argument"),
        ("RUN []", "RUN requires a command"),
        ("RUN --nope a", "unknown flag"),
        ("RUN --device=x a", "unsupported"),
        ("RUN --network=x a", "unsupported"),
        ("RUN --security=x a", "unsupported"),
        ("RUN --mount=type=nope,target=/x a", "unsupported mount type"),
        ("COPY --link=maybe a b", "expecting boolean"),
        ("COPY --checksum=x a b", "unknown flag"),
        ("ADD --parents a b", "unknown flag"),
        ("COPY a", "at least two arguments"),
        ("COPY a b c", "must be a directory and end with a /"),
        ("COPY --from=$x a b", "variable expansion is not supported for --from"),
        ("COPY --chown a b", "missing a value"),
        ("ENV a", "two arguments"),
        ("ENV a=b c", "can't find ="),
        ("ENV =b", "can not be blank"),
        ("FROM a b", "one or three arguments"),
        ("FROM a AS 1x", "invalid name for build stage"),
        ("HEALTHCHECK CMD", "missing command"),
        ("HEALTHCHECK NOPE x", "unknown type"),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries"),
        ("HEALTHCHECK --interval=1us CMD a", "less than 1ms"),
        ("HEALTHCHECK --interval=x CMD a", "invalid duration"),
        ("SHELL sh", "JSON form"),
        ("CMD [1]", "comprised of strings only"),
        ("ONBUILD FROM x", "isn't allowed as an ONBUILD trigger"),
        ("ONBUILD ONBUILD RUN x", "isn't allowed as an ONBUILD trigger"),
        ("ONBUILD NOPE", "unknown instruction"),
        ('VOLUME [""]', "empty string"),
    ],
)
def test_refused(text: str, part: str) -> None:
    with pytest.raises(errors.BuildError) as caught:
        one(text)
    assert caught.value.message.startswith("Dockerfile:2: ")
    assert part in caught.value.message


def test_every_problem_is_reported() -> None:
    with pytest.raises(errors.BuildError) as caught:
        parser.parse("FROM a\nNOPE\nRUN\nSHELL x\n", "D")
    assert [line.split(" ")[0] for line in caught.value.message.splitlines()] == ["D:2:", "D:3:", "D:4:"]


@pytest.mark.parametrize("text", ["", "# only a comment", "ARG a=1"])
def test_nothing_to_build(text: str) -> None:
    with pytest.raises(errors.BuildError, match="nothing to build"):
        parser.parse(text)


def test_instructions_need_a_stage() -> None:
    with pytest.raises(errors.BuildError, match="Dockerfile:2: no build stage"):
        parser.parse("ARG a\nRUN b\nFROM c")


@given(st.text(alphabet="FROMaRUNCOPYADENVLABHTICKEX \n\\$={}[]\"'<-/:1", max_size=80))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parser.parse(text)
    except errors.BuildError as error:
        assert error.message.startswith("Dockerfile:")
