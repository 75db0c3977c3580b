"""What a change of limits writes, for cgroup v1 and v2."""

import pytest

from composer.model.limits import BlockIo, Limits
from composer.model.quantity import ByteSize
from composer.runtime.cgroups import limit_files
from composer.runtime.defaults import PIDS_LIMIT

MIB = 1024 * 1024


def _last(limits: Limits) -> dict[str, str]:
    return dict(limit_files(limits))


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (
            Limits(),
            {
                "pids.max": str(PIDS_LIMIT), "memory.max": "max", "memory.swap.max": "max", "memory.limit_in_bytes": "-1",
                "memory.memsw.limit_in_bytes": "-1", "cpu.max": "max 100000", "cpu.cfs_quota_us": "-1",
                "cpu.shares": "1024", "cpu.weight": "39", "cpuset.cpus": "", "memory.low": "0",
            },
        ),
        (Limits(pids=-1), {"pids.max": "max"}),
        (Limits(pids=5), {"pids.max": "5"}),
        (
            Limits(memory=ByteSize(64 * MIB)),
            {
                "memory.max": str(64 * MIB), "memory.swap.max": str(64 * MIB),
                "memory.limit_in_bytes": str(64 * MIB), "memory.memsw.limit_in_bytes": str(128 * MIB),
            },
        ),
        (
            Limits(memory=ByteSize(64 * MIB), memory_swap=ByteSize(64 * MIB)),
            {"memory.swap.max": "0", "memory.memsw.limit_in_bytes": str(64 * MIB)},
        ),
        (
            Limits(memory=ByteSize(64 * MIB), memory_swap=ByteSize(-1)),
            {"memory.swap.max": "max", "memory.memsw.limit_in_bytes": "-1"},
        ),
        (Limits(memory_reservation=ByteSize(MIB)), {"memory.low": str(MIB), "memory.soft_limit_in_bytes": str(MIB)}),
        (Limits(cpus=1.5), {"cpu.max": "150000 100000", "cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000"}),
        (Limits(cpu_quota=5000, cpu_period=10_000), {"cpu.max": "5000 10000", "cpu.cfs_period_us": "10000"}),
        (Limits(cpu_shares=2), {"cpu.weight": "1", "cpu.shares": "2"}),
        (Limits(cpu_shares=262144), {"cpu.weight": "10000"}),
        (Limits(cpuset="0-1"), {"cpuset.cpus": "0-1"}),
        (Limits(block_io=BlockIo(weight=300)), {"blkio.weight": "300"}),
        (Limits(memory_swappiness=7), {"memory.swappiness": "7"}),
    ],
)  # fmt: skip
def test_files(limits: Limits, expected: dict[str, str]) -> None:
    found = _last(limits)
    assert {name: found[name] for name in expected} == expected


def test_pairs_are_lifted_before_they_are_set() -> None:
    names = [name for name, _ in limit_files(Limits(memory=ByteSize(MIB), cpus=1.0))]
    first, last = (
        names.index("memory.memsw.limit_in_bytes"),
        len(names) - 1 - names[::-1].index("memory.memsw.limit_in_bytes"),
    )
    assert first < names.index("memory.limit_in_bytes") < last
    assert dict(limit_files(Limits(cpus=1.0))[:-1])["cpu.cfs_quota_us"] == "100000"
    assert next(value for name, value in limit_files(Limits(cpus=1.0)) if name == "cpu.cfs_quota_us") == "-1"
