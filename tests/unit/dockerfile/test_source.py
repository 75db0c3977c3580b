from __future__ import annotations

import os
from pathlib import Path

import pytest

from composer import errors
from composer.dockerfile import source
from composer.model.protocols import BuildRequest


def ignored(request: BuildRequest, path: str) -> bool:
    return source.rules_of(request, Path(request.context)).ignores(path)


def test_the_dockerfile_may_lie_anywhere(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "Other").write_text("FROM a")
    for name in ("../Other", str(tmp_path / "Other")):
        found = source.dockerfile_of(BuildRequest(context="x", dockerfile=name), tmp_path / "context")
        assert found.name == name
        assert len(found.instructions) == 1


def test_an_inline_dockerfile_needs_no_file(tmp_path: Path) -> None:
    request = BuildRequest(context=tmp_path, dockerfile_inline="NOPE")
    with pytest.raises(errors.BuildError, match="dockerfile_inline:1: unknown instruction"):
        source.dockerfile_of(request, tmp_path)


def test_a_missing_dockerfile_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.BuildError, match="failed to read .*/Dockerfile: No such file"):
        source.dockerfile_of(BuildRequest(context=tmp_path), tmp_path)


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"FROM a\nRUN \xff")
    (tmp_path / "big").write_bytes(b"#" * (source.LARGEST_FILE + 1))
    for name, part in (
        ("pipe", "not a regular file"), ("/dev/zero", "not a regular file"),
        ("latin", "latin:2: is not UTF-8"), ("big", "is larger than"),
    ):  # fmt: skip
        with pytest.raises(errors.BuildError, match=part):
            source.dockerfile_of(BuildRequest(context=tmp_path, dockerfile=name), tmp_path)


def test_the_ignore_file_beside_the_dockerfile_wins(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / "X.dockerignore").write_text("b")
    assert ignored(BuildRequest(context=tmp_path), "a")
    assert not ignored(BuildRequest(context=tmp_path, dockerfile="X"), "a")
    assert ignored(BuildRequest(context=tmp_path, dockerfile="X"), "b")
    assert ignored(BuildRequest(context=tmp_path, dockerfile_inline="FROM a"), "a")


def test_a_malformed_ignore_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("[")
    with pytest.raises(errors.BuildError, match=r"^\.dockerignore: syntax error"):
        ignored(BuildRequest(context=tmp_path), "a")


def test_the_epoch(tmp_path: Path) -> None:
    assert source.epoch_of(BuildRequest(context=tmp_path)) is None
    assert source.epoch_of(BuildRequest(context=tmp_path, args={"SOURCE_DATE_EPOCH": "0"})) == 0
    request = BuildRequest(context=tmp_path, epoch=86400)
    assert source.timestamp(source.epoch_of(request)) == "1970-01-02T00:00:00Z"
    with pytest.raises(errors.BuildError, match="SOURCE_DATE_EPOCH"):
        source.epoch_of(BuildRequest(context=tmp_path, args={"SOURCE_DATE_EPOCH": "soon"}))
