"""What a mount table and a set of tools say about a host."""

import os

import pytest

from composer.host import probe

V1 = "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [("", "none"), (V1, "v1"), (V2, "v2"), (V1 + V2, "hybrid"), ("garbage\n" + V2, "v2")],
)
def test_cgroup_layout(mounts: str, expected: str) -> None:
    assert probe.cgroup_layout(mounts) == expected


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ({"crun": "1.8", "runc": "", "nft": "1.0"}, ()),
        (
            {"crun": "", "runc": ""},
            ("crun (Debian: crun, Fedora: crun)", "runc (Debian: runc, Fedora: runc)"),
        ),
        ({"crun": "1.8", "nft": ""}, ("nft (Debian: nftables, Fedora: nftables)",)),
    ],
)
def test_what_is_missing(tools: dict[str, str], expected: tuple[str, ...]) -> None:
    assert probe.missing_in(tools) == expected


def test_this_host() -> None:
    facts = probe.probe_host()
    assert facts.kernel == os.uname().release
    assert facts.cgroup_layout in ("none", "v1", "hybrid", "v2")
    assert set(facts.tools) == set(probe.TOOLS)
    assert all(sentence.split(" ")[0] in probe.TOOLS for sentence in facts.missing)
