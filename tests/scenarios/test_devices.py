"""Devices by CDI name, gpus, and what is not there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.conftest import Store

pytestmark = [pytest.mark.root, pytest.mark.scenario]

VENDOR = f"composer-test-{os.getpid()}.example"


@pytest.fixture(scope="module")
def specification(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A file of a made-up vendor where the host has its CDI files; gone afterwards."""
    library = tmp_path_factory.mktemp("cdi") / "library"
    library.write_text("of vendor\n")
    hooked = library.with_name("hooked")
    path = Path("/var/run/cdi") / f"{VENDOR}.json"
    is_made = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {
        "cdiVersion": "0.6.0",
        "kind": f"{VENDOR}/gpu",
        "containerEdits": {
            "env": ["VENDOR=yes"],
            "mounts": [
                {"hostPath": str(library), "containerPath": "/usr/lib/of-vendor", "options": ["ro", "bind"]}
            ],
            "hooks": [
                {"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", f"touch {hooked}"]}
            ],
        },
        "devices": [
            {
                "name": name,
                "containerEdits": {
                    "deviceNodes": [
                        {"path": f"/dev/vendor{name}", "hostPath": "/dev/null", "permissions": "rw"}
                    ],
                    "additionalGids": [4711],
                },
            }
            for name in ("0", "1")
        ],
    }
    path.write_text(json.dumps(tree))
    try:
        yield
    finally:
        path.unlink()
        if is_made:
            path.parent.rmdir()


RESERVED = "deploy: {resources: {reservations: {devices: [{driver: cdi, capabilities: [gpu], device_ids: ['NAME']}]}}}"
PROBE = "ls /dev | grep vendor; cat /usr/lib/of-vendor; echo $VENDOR; id -G; echo x > /dev/vendor0 && echo written"


@pytest.mark.usefixtures("specification")
@pytest.mark.parametrize(
    ("body", "nodes"),
    [
        (f"devices: ['{VENDOR}/gpu=0']", ["vendor0"]),
        (f"gpus: [{{driver: '{VENDOR}/gpu', count: 1}}]", ["vendor0"]),
        (f"gpus: [{{driver: '{VENDOR}/gpu', count: all}}]", ["vendor0", "vendor1"]),
        (
            RESERVED.replace("NAME", f"{VENDOR}/gpu=0"),
            ["vendor0"],
        ),
    ],
)
def test_a_device_of_cdi(store: Store, body: str, nodes: list[str]) -> None:
    name = f"cdi{len(store.stacks)}"
    stack = store.stack(
        name, f"services: {{a: {{image: busybox, command: sleep 1000, stop_signal: SIGKILL, {body}}}}}\n"
    )
    stack.ok("up", "-d")
    lines = stack.call("exec", "-T", "a", "sh", "-c", PROBE).stdout.splitlines()
    assert lines == [*nodes, "of vendor", "yes", "0 4711", "written"]
    stack.ok("down")


def test_a_device_that_no_file_names(store: Store) -> None:
    stack = store.stack("nogpu", "services: {a: {image: busybox, devices: ['nobody.example/gpu=7']}}\n")
    done = stack.call("up", "-d")
    assert done.returncode == 1
    assert "no CDI file names the device nobody.example/gpu=7" in done.stderr
    stack.ok("down")
