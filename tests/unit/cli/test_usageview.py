"""Docker's columns of ``stats``."""

from composer.cli import usageview
from composer.runtime.usage import Usage


def test_a_row() -> None:
    target = usageview.Target("a" * 64, "web", 7, "/x")
    before = Usage(time=1.0, cpu=0)
    now = Usage(
        time=2.0,
        cpu=500_000_000,
        memory=2 << 20,
        limit=8 << 20,
        read=1500,
        written=0,
        received=10,
        sent=2_000_000,
        processes=4,
    )
    assert usageview.row_of(target, before, now) == {
        "BlockIO": "1.5kB / 0B",
        "CPUPerc": "50.00%",
        "Container": "a" * 12,
        "ID": "a" * 12,
        "MemPerc": "25.00%",
        "MemUsage": "2MiB / 8MiB",
        "Name": "web",
        "NetIO": "10B / 2MB",
        "PIDs": "4",
    }


def test_what_does_not_run_uses_nothing() -> None:
    row = usageview.row_of(usageview.Target("a" * 64, "web", 0, "/x"), None, None, shortens=False)
    assert (row["CPUPerc"], row["MemUsage"], row["PIDs"], row["ID"]) == ("0.00%", "0B / 0B", "0", "a" * 64)
