"""When a build is known without being made again, and when it is not."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from composer.cli import buildmemo
from composer.cli.imageverbs import build
from composer.host.database import MIGRATIONS
from composer.model.image import Image
from tests.fakes import builds
from tests.fakes.builds import Workshop

LATER = 10**18


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    builds.keep_owners(monkeypatch)
    made = builds.workshop(tmp_path)
    monkeypatch.setenv("COMPOSER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(time, "time_ns", lambda: LATER * 2)  # nothing changed within the clock's grain
    made.write({"Dockerfile": "FROM base\nCOPY f /f\n", "f": "f", "sub/g": "g"})
    return made


def memo(shop: Workshop, *words: str) -> buildmemo.Memo | None:
    parser = argparse.ArgumentParser()
    build.add_options(parser)
    return buildmemo.memo_for(parser.parse_args([*words, str(shop.context)]))


def record(shop: Workshop, *words: str) -> Image:
    image = shop.build("FROM base\nCOPY f /f\n", tags=("app:1",))
    base = shop.store.get("base")
    made = memo(shop, *words)
    assert made is not None
    made.record(
        image.id,
        names=[("docker.io/library/base:latest", base.id), ("docker.io/library/app:1", image.id)],
        layers=image.layers,
        steps=[(1, "[1/2] FROM base"), (0, "a note"), (2, "exporting to image")],
        schema=len(MIGRATIONS),
    )
    return image


def known(shop: Workshop, *words: str) -> dict[str, object] | None:
    found = memo(shop, *words)
    return None if found is None else found.known()


def test_the_same_again_is_known(shop: Workshop) -> None:
    image = record(shop, "-t", "app:1")
    entry = known(shop, "-t", "app:1")
    assert entry is not None
    assert entry["image"] == image.id
    assert buildmemo.lines_of(entry) == [
        "#1 [1/2] FROM base", "#1 CACHED", "a note", "#2 exporting to image", "#2 DONE 0.0s",
    ]  # fmt: skip
    assert buildmemo.live_lines_of(entry)[1:] == [" => CACHED [1/2] FROM base", " => exporting to image"]


def _touch(shop: Workshop) -> None:
    os.utime(shop.context / "f", (1, 1))


def _same_size_and_time(shop: Workshop) -> None:
    before = (shop.context / "f").stat()
    (shop.context / "f").write_text("F")
    os.utime(shop.context / "f", ns=(before.st_atime_ns, before.st_mtime_ns))


def _another_base(shop: Workshop) -> None:
    shop.image("base", {"other": "x"})


@pytest.mark.parametrize(
    "change",
    [
        _touch,
        _same_size_and_time,
        _another_base,
        lambda shop: (shop.context / "sub/g").chmod(0o600),
        lambda shop: (shop.context / "sub/h").touch(),
        lambda shop: (shop.context / "sub/g").unlink(),
        lambda shop: (shop.context / "Dockerfile").write_text("FROM base\nCOPY f /g\n"),
        lambda shop: (shop.context / "Dockerfile.dockerignore").write_text("f\n"),
        lambda shop: shop.store.tag("app:1", shop.store.get("base").id),
        lambda shop: shop.store.remove("app:1"),
        lambda shop: shop.store.database._connection.execute("PRAGMA user_version=1"),
    ],
)
def test_whatever_could_matter_makes_it_unknown(shop: Workshop, change: Callable[[Workshop], object]) -> None:
    record(shop, "-t", "app:1")
    assert known(shop, "-t", "app:1") is not None
    change(shop)
    assert known(shop, "-t", "app:1") is None


def test_another_command_line_or_variable_is_another_build(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARG", "1")
    record(shop, "-t", "app:1", "--build-arg", "ARG")
    assert known(shop, "-t", "app:1", "--build-arg", "ARG", "--progress", "plain") is not None
    assert known(shop, "-t", "app:1") is None
    assert known(shop, "-t", "app:1", "--build-arg", "ARG", "--target", "x") is None
    monkeypatch.setenv("ARG", "2")
    assert known(shop, "-t", "app:1", "--build-arg", "ARG") is None


@pytest.mark.parametrize(
    "words",
    [
        ["--no-cache"], ["--pull"], ["--push"], ["-o", "out"], ["--secret", "id=x"], ["--ssh", "default"],
        ["--build-context", "a=b"], ["--cache-from", "x"], ["-f", "-"], ["--check"], ["--call", "targets"],
    ],
)  # fmt: skip
def test_what_a_listing_cannot_tell_makes_no_memo(shop: Workshop, words: list[str]) -> None:
    assert memo(shop, *words) is None


def test_what_changed_just_now_is_not_trusted(shop: Workshop) -> None:
    status = (shop.context / "f").stat()
    newest = max(path.lstat().st_ctime_ns for path in shop.context.rglob("*"))
    assert status.st_ctime_ns <= newest
    assert buildmemo.listing_of(str(shop.context), (), newest + 1) is None
    assert buildmemo.listing_of(str(shop.context), (), newest + 10**9) is not None


def test_a_torn_memo_is_none(shop: Workshop) -> None:
    record(shop, "-t", "app:1")
    (path,) = (shop.store.build_state / "memos").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert known(shop, "-t", "app:1") is None


def test_it_loads_nothing_heavy() -> None:
    code = "import sys, composer.cli.main, composer.cli.imageverbs.build; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"attr", "attrs", "trio", "rich", "networkx", "subprocess"}
