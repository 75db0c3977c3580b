"""Where a container's cgroup is and which program made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer import errors
from composer.runtime import placement
from composer.runtime.oci import RuntimeChoice
from composer.runtime.placement import Placement

USUAL = "/composer-abc"
CRUN = RuntimeChoice(name="crun", path="/usr/bin/crun", version="1")


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        (None, USUAL),
        ("", USUAL),
        ("/", USUAL),
        ("a.slice", "/a.slice/composer-abc"),
        ("/a/b/", "/a/b/composer-abc"),
    ],
)
def test_the_parent_comes_before_the_usual_path(parent: str | None, expected: str) -> None:
    assert placement.decide(USUAL, parent, None, "n") == Placement(cgroup=expected)


def test_the_usual_is_not_written(tmp_path: Path) -> None:
    placement.write(tmp_path, Placement(cgroup=USUAL), USUAL)
    assert not list(tmp_path.iterdir())
    assert placement.read(tmp_path, USUAL) == Placement(cgroup=USUAL)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = Placement(cgroup="/a/composer-abc", runtime="/opt/runc")
    placement.write(tmp_path, written, USUAL)
    assert placement.read(tmp_path, USUAL) == written


def test_a_torn_file_is_the_usual(tmp_path: Path) -> None:
    (tmp_path / "placement.json").write_text('{"cgroup": "/a')
    assert placement.read(tmp_path, USUAL) == Placement(cgroup=USUAL)


def test_a_runtime_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    program = tmp_path / "myrunc"
    program.touch(mode=0o755)
    found = placement.decide(USUAL, None, str(program), "n")
    assert found.runtime_among(CRUN) == RuntimeChoice(name="myrunc", path=str(program), version="")
    assert placement.decide(USUAL, None, "sh", "n").runtime.endswith("/sh")


@pytest.mark.parametrize("runtime", ["no-such-runtime", "/nowhere/runc", "/usr"])
def test_a_runtime_that_is_not_there(runtime: str) -> None:
    with pytest.raises(errors.HostUnsupported, match=f"n: there is no OCI runtime {runtime}"):
        placement.decide(USUAL, None, runtime, "n")


def test_the_usual_runtime_keeps_what_is_known_of_it() -> None:
    assert Placement(cgroup=USUAL, runtime=CRUN.path).runtime_among(CRUN) is CRUN
    assert Placement(cgroup=USUAL).runtime_among(CRUN) is CRUN
