"""CDI names, requests and files."""

from __future__ import annotations

import pytest

from composer.model import cdi
from composer.model.cdi import Edits, MountEdit, NodeEdit
from composer.model.deploy import DeviceRequest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nvidia.com/gpu=0", True),
        ("nvidia.com/gpu=all", True),
        ("vendor1.com/device_x=MIG-1:0", True),
        ("/dev/null", False),
        ("nvidia.com/gpu", False),
        ("gpu=0", False),
        ("a/b=", False),
        ("a/b=c/../d", False),
    ],
)
def test_names(text: str, expected: bool) -> None:
    assert cdi.is_name(text) is expected


NVIDIA = {"nvidia.com/gpu": ("0", "1", "GPU-aa", "GPU-bb", "all")}


@pytest.mark.parametrize(
    ("request_", "kinds", "expected"),
    [
        (DeviceRequest(count=-1), NVIDIA, ("nvidia.com/gpu=all",)),
        (DeviceRequest(), NVIDIA, ("nvidia.com/gpu=all",)),
        (DeviceRequest(count=1), NVIDIA, ("nvidia.com/gpu=0",)),
        (DeviceRequest(device_ids=("GPU-bb",)), NVIDIA, ("nvidia.com/gpu=GPU-bb",)),
        (DeviceRequest(driver="nvidia", count=2), NVIDIA, ("nvidia.com/gpu=0", "nvidia.com/gpu=1")),
        (DeviceRequest(driver="cdi", device_ids=("x.y/z=1",)), {}, ("x.y/z=1",)),
        (DeviceRequest(count=-1), {"amd.com/gpu": ("0", "1")}, ("amd.com/gpu=0", "amd.com/gpu=1")),
        (DeviceRequest(driver="x.y/fpga", count=1), {"x.y/fpga": ("one",)}, ("x.y/fpga=one",)),
        (DeviceRequest(count=-1), {}, ("nvidia.com/gpu=all",)),  # nobody has it: the error names it
    ],
)
def test_what_requests_come_to(
    request_: DeviceRequest, kinds: dict[str, tuple[str, ...]], expected: tuple[str, ...]
) -> None:
    assert cdi.names_of([request_], kinds) == expected


@pytest.mark.parametrize(
    ("request_", "kinds", "words"),
    [
        (DeviceRequest(count=3), NVIDIA, "3 of nvidia.com/gpu are asked for, .* name 2"),
        (DeviceRequest(count=-1), {"a.b/gpu": ("0",), "c.d/gpu": ("0",)}, "say which by driver"),
    ],
)
def test_what_they_cannot_come_to(
    request_: DeviceRequest, kinds: dict[str, tuple[str, ...]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        cdi.names_of([request_], kinds)


def test_a_file() -> None:
    found = cdi.specification_of(
        {
            "cdiVersion": "0.6.0",
            "kind": "vendor.com/dev",
            "containerEdits": {
                "env": ["A=b=c"],
                "hooks": [{"hookName": "poststop", "path": "/x", "args": ["x"]}],
            },
            "devices": [
                {
                    "name": "one",
                    "containerEdits": {
                        "deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/null", "fileMode": 0o600}],
                        "mounts": [
                            {
                                "hostPath": "/lib/x",
                                "containerPath": "/y",
                                "options": ["ro", "nosuid", "bind", "rslave"],
                            }
                        ],
                        "additionalGids": [44, 0],
                    },
                }
            ],
        }
    )
    assert found.kind == "vendor.com/dev"
    assert found.common == Edits(
        environment={"A": "b=c"}, hooks={"poststop": ({"path": "/x", "args": ["x"]},)}
    )
    assert found.devices["one"] == Edits(
        nodes=(NodeEdit(path="/dev/a", source="/dev/null", mode=0o600),),
        mounts=(
            MountEdit(source="/lib/x", target="/y", read_only=True, propagation="rslave", flags=("nosuid",)),
        ),
        groups=(44,),  # 0 is root's own group: the specification has it ignored
    )


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([], "the file is no mapping"),
        ({"kind": "x"}, "is not vendor/class"),
        ({"kind": "a/b", "devices": [{"name": "../x"}]}, "not usable"),
        ({"kind": "a/b", "devices": [{"name": "x"}, {"name": "x"}]}, "given twice"),
        ({"kind": "a/b", "containerEdits": {"deviceNodes": [{"path": "dev"}]}}, "not absolute"),
        ({"kind": "a/b", "containerEdits": {"hooks": [{"hookName": "h", "path": "/x"}]}}, "no hook 'h'"),
        ({"kind": "a/b", "containerEdits": {"mounts": [{"type": "tmpfs"}]}}, "type 'tmpfs'"),
        ({"kind": "a/b", "containerEdits": {"env": "A=b"}}, "env is no list"),
    ],
)
def test_a_file_that_is_none(tree: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cdi.specification_of(tree)
