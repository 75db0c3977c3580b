from __future__ import annotations

import pytest

from composer.dockerfile import draft, parser
from composer.dockerfile.draft import Draft, Settings
from composer.model.image import Image, ImageConfig
from composer.model.stack import Healthcheck


def run(text: str, start: Draft | None = None, settings: Settings | None = None) -> Draft:
    done = start or draft.draft_on(None)
    for instruction in parser.parse("FROM x\n" + text).instructions[1:]:
        done = draft.after(done, instruction, settings or Settings())
    return done


def test_scratch_has_a_path_and_a_directory() -> None:
    config = draft.draft_on(None).config
    assert config == ImageConfig(environment={"PATH": draft.DEFAULT_PATH}, working_dir="/")


def test_a_stage_on_an_image_continues_it() -> None:
    image = Image(id="i", layers=("l",), config=ImageConfig(command=("a",)))
    started = draft.draft_on(image)
    assert started.layers == ("l",)
    assert started.config.command == ("a",)


def test_one_instruction_sees_the_values_from_before_it() -> None:
    done = run("ENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n")
    assert {n: done.config.environment[n] for n in ("abc", "def", "ghi")} == {
        "abc": "bye", "def": "hello", "ghi": "bye",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "settings", "variables"),
    [
        ("ARG a=1", Settings(), {"a": "1"}),
        ("ARG a=1", Settings(arguments={"a": "2"}), {"a": "2"}),
        ("ARG a", Settings(), {}),
        ("ARG a", Settings(global_arguments={"a": "3"}), {"a": "3"}),
        ("ARG a=1", Settings(global_arguments={"a": "3"}), {"a": "1"}),
        ("ARG a=1\nENV a=4", Settings(), {"a": "4"}),
        ("ENV a=4\nARG a=1", Settings(arguments={"a": "2"}), {"a": "4"}),
        ("ARG a=1 b=${a}2", Settings(), {"a": "1", "b": "12"}),
        ("", Settings(arguments={"a": "2"}), {}),
    ],
)
def test_arguments(text: str, settings: Settings, variables: dict[str, str]) -> None:
    found = run(text, settings=settings).variables
    del found["PATH"]
    assert found == variables


def test_arguments_are_not_stored_in_the_image() -> None:
    assert "secret" not in str(run("ARG a\n", settings=Settings(arguments={"a": "secret"})).config)


INHERITED = draft.draft_on(Image(id="i", config=ImageConfig(entrypoint=("e",), command=("c",))))


@pytest.mark.parametrize(
    ("text", "entrypoint", "command"),
    [
        ("", ("e",), ("c",)),
        ('ENTRYPOINT ["x"]', ("x",), None),
        ('CMD ["y"]\nENTRYPOINT ["x"]', ("x",), ("y",)),
        ('ENTRYPOINT ["x"]\nCMD ["y"]', ("x",), ("y",)),
        ('CMD ["y"]', ("e",), ("y",)),
        ("CMD y z", ("e",), ("/bin/sh", "-c", "y z")),
        ('SHELL ["bash", "-c"]\nENTRYPOINT y', ("bash", "-c", "y"), None),
        ("ENTRYPOINT []", (), None),
    ],
)
def test_entrypoint_and_command(
    text: str, entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None
) -> None:
    config = run(text, INHERITED).config
    assert (config.entrypoint, config.command) == (entrypoint, command)


def test_the_other_settings() -> None:
    config = run(
        "ARG p=80\nEXPOSE 9000-9001/udp $p 80/tcp\nVOLUME /a /b /a\nLABEL a=1 b=$p\nUSER u:$p\n"
        'STOPSIGNAL SIGINT\nHEALTHCHECK CMD ["t"]\nONBUILD RUN x\nMAINTAINER m\n'
    ).config
    assert config.exposed_ports == ("80/tcp", "9000/udp", "9001/udp")
    assert config.volumes == ("/a", "/b")
    assert config.labels == {"a": "1", "b": "80"}
    assert config.user == "u:80"
    assert config.stop_signal == "SIGINT"
    assert config.healthcheck == Healthcheck(test=("CMD", "t"))
    assert config.on_build == ("RUN x",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("EXPOSE 0", "invalid containerPort"),
        ("EXPOSE 70000", "between 1 and"),
        ("EXPOSE 9-8", "between 1 and"),
        ("EXPOSE 80/icmp", "invalid containerPort"),
        ("EXPOSE x", "invalid containerPort"),
        ("USER $nobody", "USER is blank"),
        ("STOPSIGNAL SIGNOPE", "Invalid signal"),
        ("STOPSIGNAL 99", "Invalid signal"),
        ("ENV a='b", "single-quote"),
    ],
)
def test_refused(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        run(text)


@pytest.mark.parametrize("name", ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-1"])
def test_signals(name: str) -> None:
    assert run(f"STOPSIGNAL {name}").config.stop_signal == name


def test_history_counts_layers() -> None:
    done = draft.draft_on(None).with_layer("t", "RUN a", ("l1",)).with_layer("t", "RUN b", ())
    assert done.layers == ("l1",)
    assert [(h.created_by, h.is_empty) for h in done.history] == [("RUN a", False), ("RUN b", True)]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", ("80/tcp",)),
        ("127.0.0.1:8080:80", ("80/tcp",)),
        ("[::1]:8080:80/UDP", ("80/udp",)),
        ("5000-5001:6000-6001", ("6000/tcp", "6001/tcp")),
        (":80", ("80/tcp",)),
    ],
)
def test_ports_of_the_host_mean_nothing(text: str, ports: tuple[str, ...]) -> None:
    assert draft.ports_of(text) == ports


@pytest.mark.parametrize("text", ["x:80", "80:", "1.2.3.4:80:90:100", "::80", "80:x"])
def test_what_is_no_mapping_is_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="invalid containerPort"):
        draft.ports_of(text)
