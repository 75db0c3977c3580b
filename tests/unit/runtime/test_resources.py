"""Limits as the OCI's ``resources``: the runtime makes cgroup v1 or v2 files of them."""

from __future__ import annotations

import pytest

from composer.model.limits import BlockIo, DeviceRate, DeviceWeight, Limits
from composer.model.quantity import ByteSize
from composer.runtime import resources

MIB = 1 << 20


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(), {}),
        (Limits(memory=ByteSize(64 * MIB)), {"memory": {"limit": 64 * MIB, "swap": 128 * MIB}}),
        (Limits(memory=ByteSize(64 * MIB), memory_swap=ByteSize(64 * MIB)),
         {"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}),  # no swap at all
        (Limits(memory=ByteSize(64 * MIB), memory_swap=ByteSize(-1)),
         {"memory": {"limit": 64 * MIB, "swap": -1}}),
        (Limits(memory=ByteSize(-1)), {"memory": {"limit": -1, "swap": -1}}),
        (Limits(memory_reservation=ByteSize(MIB)), {"memory": {"reservation": MIB}}),
        (Limits(memory_swappiness=0), {"memory": {"swappiness": 0}}),
        (Limits(oom_kill_disable=True), {"memory": {"disableOOMKiller": True}}),
        (Limits(cpus=1.5), {"cpu": {"quota": 150_000, "period": 100_000}}),
        (Limits(cpu_quota=30_000), {"cpu": {"quota": 30_000, "period": 100_000}}),
        (Limits(cpu_period=50_000), {"cpu": {"quota": -1, "period": 50_000}}),
        (Limits(cpu_shares=512, cpuset="0-1"), {"cpu": {"shares": 512, "cpus": "0-1"}}),
    ],
)  # fmt: skip
def test_memory_and_processors(limits: Limits, expected: dict[str, object]) -> None:
    found = resources.resources_for(limits)
    assert {key: value for key, value in found.items() if key not in ("pids", "devices")} == expected


def test_realtime() -> None:
    limits = Limits(cpu_realtime_period=1_000_000, cpu_realtime_runtime=400_000)
    found = resources.resources_for(limits)
    assert found["cpu"] == {"realtimePeriod": 1_000_000, "realtimeRuntime": 400_000}


def test_swap_is_not_spoken_of_where_it_is_not_counted() -> None:
    found = resources.resources_for(Limits(memory=ByteSize(MIB)), has_swap=False)
    assert found["memory"] == {"limit": MIB}


@pytest.mark.parametrize(("pids", "expected"), [(None, 4096), (77, 77), (-1, -1), (0, -1)])
def test_processes(pids: int | None, expected: int) -> None:
    assert resources.resources_for(Limits(pids=pids))["pids"] == {"limit": expected}


def test_block_devices_are_named_by_number() -> None:
    limits = Limits(
        block_io=BlockIo(
            weight=300,
            weight_device=(DeviceWeight(path="/dev/a", weight=20),),
            device_read_bps=(DeviceRate(path="/dev/a", rate=MIB),),
            device_write_iops=(DeviceRate(path="/dev/b", rate=9),),
        )
    )
    assert resources.devices_limited(limits) == ("/dev/a", "/dev/b")
    found = resources.resources_for(limits, numbers={"/dev/a": (8, 0), "/dev/b": (8, 16)})
    assert found["blockIO"] == {
        "weight": 300,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 20}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": MIB}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 9}],
    }


def test_devices_are_denied_before_any_is_allowed() -> None:
    rule = {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "rwm"}
    rules = resources.resources_for(Limits(), device_rules=(rule,))["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert rules[-1] == rule
    assert resources.resources_for(Limits(), allows_every_device=True)["devices"] == [
        {"allow": True, "access": "rwm"}
    ]
