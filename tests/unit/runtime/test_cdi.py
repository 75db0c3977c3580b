"""CDI files of a host that we make up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer import errors
from composer.model.container import ContainerSpec
from composer.model.deploy import DeviceRequest
from composer.model.stack import Device
from composer.runtime import cdi


def _container(*names: str, gpus: int = 0) -> ContainerSpec:
    return ContainerSpec(
        stack="s", service="a", number=1, name="s-a-1", image="i",
        devices=tuple(Device(source=name, target=name) for name in names),
        device_requests=(DeviceRequest(count=gpus, capabilities=("gpu",)),) if gpus else (),
    )  # fmt: skip


@pytest.fixture
def directories(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("etc", "run"):
        (tmp_path / name).mkdir()
    return tmp_path / "etc", tmp_path / "run"


def _write(path: Path, kind: str, device: str, value: str) -> None:
    tree = {"kind": kind, "devices": [{"name": device, "containerEdits": {"env": [f"FROM={value}"]}}]}
    path.write_text(json.dumps(tree))


def test_nothing_is_read_for_who_asks_nothing() -> None:
    assert cdi.edits_for(_container("/dev/null"), [Path("/nowhere")]) == cdi.Edits()


def test_json_and_yaml_are_read_and_the_later_directory_wins(directories: tuple[Path, Path]) -> None:
    _write(directories[0] / "a.json", "v.com/d", "0", "etc")
    (directories[0] / "b.yaml").write_text(
        "kind: v.com/d\ndevices: [{name: '1', containerEdits: {env: [B=1]}}]\n"
    )
    (directories[0] / "notes.txt").write_text("{")
    assert cdi.edits_for(_container("v.com/d=0", "v.com/d=1"), directories).environment == {
        "FROM": "etc",
        "B": "1",
    }
    _write(directories[1] / "a.json", "v.com/d", "0", "run")
    assert cdi.edits_for(_container("v.com/d=0"), directories).environment == {"FROM": "run"}


def test_a_gpu_is_found_by_what_it_can_do(directories: tuple[Path, Path]) -> None:
    _write(directories[0] / "a.json", "amd.com/gpu", "0", "amd")
    assert cdi.edits_for(_container(gpus=-1), directories).environment == {"FROM": "amd"}


def test_a_device_that_no_file_names_is_told_with_those_there_are(directories: tuple[Path, Path]) -> None:
    with pytest.raises(
        errors.OperationFailed, match="no CDI file names the device nvidia.com/gpu=all"
    ) as caught:
        cdi.edits_for(_container(gpus=-1), directories)
    assert "There are no CDI files" in caught.value.hint
    _write(directories[0] / "a.json", "v.com/d", "0", "x")
    with pytest.raises(errors.OperationFailed) as caught:
        cdi.edits_for(_container("v.com/d=9"), directories)
    assert "v.com/d=0" in caught.value.hint


def test_a_broken_file_is_named_where_it_may_be_the_reason(directories: tuple[Path, Path]) -> None:
    (directories[0] / "broken.yaml").write_text("kind: [")
    with pytest.raises(errors.OperationFailed) as caught:
        cdi.edits_for(_container("v.com/d=9"), directories)
    assert "broken.yaml" in caught.value.hint
