"""What is said of a host that cannot give everything."""

from __future__ import annotations

import attrs
import pytest

from composer.model.container import ContainerSpec
from composer.model.limits import Limits, Ulimit
from composer.model.quantity import ByteSize
from composer.runtime import shortfalls
from composer.runtime.spec import HostFacts

PLAIN = ContainerSpec(stack="s", service="a", number=1, name="n", image="i")
ROOMY = HostFacts(has_apparmor=True, has_selinux=True)
NARROW = HostFacts(
    has_one_hierarchy=True,
    has_memory_swap=False,
    hard_limits={"RLIMIT_NOFILE": 100, "RLIMIT_CORE": 0},
)
ASKED = attrs.evolve(
    PLAIN,
    security_opt=("apparmor=mine", "label=type:x"),
    ulimits={
        "nofile": Ulimit(soft=50, hard=200),
        "core": Ulimit(soft=-1, hard=-1),
        "nproc": Ulimit(soft=-1, hard=-1),
    },
    limits=Limits(
        memory_swap=ByteSize(1), memory_swappiness=3, oom_kill_disable=True, cpu_realtime_runtime=1
    ),
)


def test_who_asks_for_nothing_misses_nothing() -> None:
    assert shortfalls.of(PLAIN, NARROW) == ()


def test_a_host_that_has_it_all() -> None:
    assert shortfalls.of(ASKED, ROOMY) == ()


def test_each_is_said() -> None:
    assert [sentence.partition(": ")[2].partition(":")[0] for sentence in shortfalls.of(ASKED, NARROW)] == [
        "ulimit core is 0 and not unlimited",
        "ulimit nofile is 100 and not 200",
        "the AppArmor profile mine has no effect",
        "SELinux labels have no effect",
        "memswap_limit has no effect",
        "oom_kill_disable has no effect",
        "mem_swappiness has no effect",
        "cpu_rt_period and cpu_rt_runtime have no effect",
    ]


@pytest.mark.parametrize("option", ["apparmor=unconfined", "label=disable", "no-new-privileges"])
def test_giving_up_what_is_not_there_is_no_loss(option: str) -> None:
    assert shortfalls.of(attrs.evolve(PLAIN, security_opt=(option,)), NARROW) == ()
