from __future__ import annotations

from pathlib import Path

import pytest

from composer import errors
from composer.cli import buildflags, exporting
from composer.cli.exporting import Output
from composer.model.limits import Ulimit


def test_secrets_from_files_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"content\n")
    monkeypatch.setenv("VARIABLE", "value")
    monkeypatch.setenv("same", "own")
    words = [f"id=a,src={tmp_path}/f", "id=b,env=VARIABLE", "id=same", f"type=file,id=c,source={tmp_path}/f"]
    assert buildflags.secrets(words) == {
        "a": b"content\n", "b": b"value", "same": b"own", "c": b"content\n",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("src=x", "has no id"),
        ("id=a,src=/nowhere", "cannot read /nowhere"),
        ("id=a,env=NOT_THERE", "the environment has no NOT_THERE"),
        ("id=a,what=x", "is not understood"),
        ('id=a,"src', "comma-separated"),
    ],
)
def test_secrets_that_are_none(word: str, part: str) -> None:
    with pytest.raises(errors.UsageError, match=part):
        buildflags.secrets([word])


def test_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    assert buildflags.agents(["default", "k=/key"]) == {"default": "/agent", "k": "/key"}


def test_hosts_and_limits() -> None:
    assert buildflags.hosts(["a:1.2.3.4", "b=[::1]", "c:host-gateway"]) == (
        ("a", "1.2.3.4"), ("b", "::1"), ("c", "host-gateway"),
    )  # fmt: skip
    assert buildflags.ulimits(["nofile=1:2", "core=-1"]) == {
        "nofile": Ulimit(soft=1, hard=2), "core": Ulimit(soft=-1, hard=-1),
    }  # fmt: skip
    assert (buildflags.size("--shm-size", "64m"), buildflags.size("--shm-size", "")) == (64 << 20, None)
    for call in (
        lambda: buildflags.hosts(["a"]),
        lambda: buildflags.ulimits(["nofile"]),
        lambda: buildflags.size("--shm-size", "much"),
        lambda: buildflags.pairs("--label", ["=x"]),
    ):
        with pytest.raises(errors.UsageError):
            call()


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("out", Output(kind="local", destination="out")),
        ("-", Output(kind="tar", destination="-")),
        ("type=tar,dest=x.tar", Output(kind="tar", destination="x.tar")),
        ("type=docker", Output(kind="docker", destination="-")),
        ("type=image,push=true", Output(kind="image", destination="-", pushes=True)),
        ("type=registry", Output(kind="registry", destination="-", pushes=True)),
    ],
)
def test_outputs(text: str, output: Output) -> None:
    assert exporting.parse(text) == output


@pytest.mark.parametrize(
    "text", ["type=nope", "type=local", "type=local,dest=-", "dest=x,what=y", "type=oci,tar=false"]
)
def test_outputs_that_are_none(text: str) -> None:
    with pytest.raises(errors.UsageError):
        exporting.parse(text)
