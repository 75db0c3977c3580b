from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from composer import errors
from composer.cli.imageverbs import build


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    build.add_options(parser)
    return parser.parse_args([*words, "."])


def test_flags_become_a_request(tmp_path: Path) -> None:
    words = (
        "-t app:1 -t app:2 --target t --build-arg A=1 --label L=2 --no-cache-filter a,b --pull --network host "
        "--allow security.insecure --add-host h:1.2.3.4 --shm-size 1m --ulimit core=0 --platform linux/amd64 "
        "--build-context x=docker-image://y --build-context d=sub"
    )
    made = build.request_of(options(*words.split()), tmp_path, None)
    assert made.tags == ("app:1", "app:2")
    assert (made.target, made.args, made.labels) == ("t", {"A": "1"}, {"L": "2"})
    assert (made.uncached, made.pulls, made.network) == (("a", "b"), True, "host")
    assert made.entitlements == {"security.insecure", "network.host"}
    assert made.contexts["x"] == "docker-image://y"
    assert made.contexts["d"] == str(Path("sub").absolute())
    assert (made.shm_size, made.platform) == (1 << 20, "linux/amd64")


def test_a_dockerfile_is_named_from_where_the_user_stands(tmp_path: Path) -> None:
    assert build.request_of(options("-f", "x/D"), tmp_path, None).dockerfile == str(Path("x/D").absolute())
    assert build.request_of(options("-f", "x/D"), "https://h/r.git", None).dockerfile == "x/D"
    assert build.request_of(options(), tmp_path, None).dockerfile == "Dockerfile"


@pytest.mark.parametrize(
    "words", [["--platform", "a,b"], ["--build-context", "x"], ["--label", "=x"], ["-t", "A B"]]
)
def test_refused(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError):
        build.request_of(options(*words), tmp_path, None)
