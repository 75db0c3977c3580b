"""Figures of ``stats``, from the files of each kind of host."""

import pytest

from composer.runtime import usage
from composer.runtime.usage import Usage

V2 = {
    "cpu.stat": "usage_usec 2500\nuser_usec 2000\nsystem_usec 500\n",
    "memory.current": "10000\n",
    "memory.stat": "anon 6000\ninactive_file 3000\nactive_file 1000\n",
    "memory.max": "1048576\n",
    "io.stat": "8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n259:0 rbytes=5 wbytes=1\n7:0 \n",
    "pids.current": "3\n",
}
V1 = {
    "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
    "cpuacct.usage": "2500000\n",
    "memory.usage_in_bytes": "10000\n",
    "memory.stat": "inactive_file 1\ntotal_inactive_file 3000\n",
    "memory.limit_in_bytes": "1048576\n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n259:0 Read 5\n259:0 Write 1\nTotal 126\n",
    "pids.current": "3\n",
}
SAME = Usage(cpu=2_500_000, memory=7000, limit=1048576, read=105, written=21, processes=3)


@pytest.mark.parametrize("files", [V2, V1, {**V1, "memory.max": None}], ids=["v2", "v1", "hybrid"])
def test_hosts_agree(files: dict[str, str | None]) -> None:
    assert usage.from_cgroup(files.get) == SAME


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"memory.max": "max\n"}, "limit", 0),
        ({"memory.current": "100\n"}, "memory", 0),
        ({"io.stat": None}, "read", 0),
        ({"pids.current": None, "cgroup.procs": "7\n8\n"}, "processes", 2),
        ({"cpu.stat": None}, "cpu", 0),
        ({"memory.stat": "garbage\ninactive_file x\n"}, "memory", 10000),
    ],
)
def test_what_is_missing_or_odd(changes: dict[str, str | None], field: str, expected: int) -> None:
    assert getattr(usage.from_cgroup({**V2, **changes}.get), field) == expected


def test_no_limit_of_v1_is_none() -> None:
    assert usage.from_cgroup({**V1, "memory.limit_in_bytes": "9223372036854771712\n"}.get).limit == 0


def test_all_interfaces_but_loopback_count() -> None:
    text = (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
        "    lo: 999 9 0 0 0 0 0 0 999 9 0 0 0 0 0 0\n"
        "  eth0: 100 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n"
        "  eth1:5 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
    )
    assert usage.from_interfaces(text) == (105, 21)


def test_the_share_of_a_processor() -> None:
    assert usage.cpu_share(Usage(time=1.0, cpu=0), Usage(time=3.0, cpu=3_000_000_000)) == 150.0
    assert usage.cpu_share(Usage(time=1.0, cpu=5), Usage(time=1.0, cpu=9)) == 0.0
    assert usage.cpu_share(Usage(time=1.0, cpu=9), Usage(time=2.0, cpu=5)) == 0.0
