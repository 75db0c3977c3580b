"""The pure parts of ``tests/tools/isolation_probe.py``, and its table for a real container."""

from __future__ import annotations

import pytest

from tests.tools import isolation_probe as probe


def test_facts_are_key_value_lines_and_nothing_else() -> None:
    assert probe.facts_in("CapEff: 00ff\nnoise\ndevices: null  tty \n") == {
        "CapEff": "00ff",
        "devices": "null tty",
    }


def test_a_namespace_is_the_containers_own_when_it_is_another() -> None:
    found = probe.namespaces_of(
        {"pid": "pid:[2]", "user": "user:[1]"}, {"pid": "pid:[1]", "user": "user:[1]"}
    )
    assert found == {"namespace pid": "own", "namespace user": "host's"}


def test_rows_that_differ_are_marked() -> None:
    lines = probe.table_of({"composer": {"a": "1", "b": "2"}, "Docker": {"a": "1", "b": "3"}}).splitlines()
    assert lines[2:] == ["| a | 1 | 1 |  |", "| b | 2 | 3 | * |"]


def test_a_missing_fact_is_shown_as_such() -> None:
    assert "| b | - | 3 | * |" in probe.table_of({"composer": {}, "Docker": {"b": "3"}})


@pytest.mark.parametrize(
    ("key", "ours", "theirs", "expected"),
    [
        ("CapEff", "00000000a80425fb", "00000000a80425fb", True),
        ("CapEff", "00000000a80425fa", "00000000a80425fb", True),
        ("CapEff", "00000000a80425ff", "00000000a80425fb", False),
        ("Seccomp", "0", "2", False),
        ("NoNewPrivs", "1", "0", True),
        ("pids limit", "4096", "max", True),
        ("pids limit", "max", "4096", False),
        ("devices", "null zero", "null tty zero", True),
        ("devices", "null sda", "null tty", False),
        ("mount /sys", "sysfs ro nosuid", "sysfs ro", True),
        ("mount /sys", "sysfs nosuid", "sysfs ro nosuid", False),
        ("read-only /proc/sys", "proc ro", "proc ro nosuid", True),
        ("read-only /proc/sys", "proc nosuid", "proc ro nosuid", False),
        ("masked /proc/kcore", "masked", "READABLE", True),
        ("masked /proc/kcore", "READABLE", "absent", False),
        ("may mount a tmpfs", "YES", "no", False),
        ("namespace cgroup", "own", "host's", True),
        ("namespace cgroup", "host's", "own", False),
        ("system call bpf", "ALLOWED (14)", "denied", False),
        ("system call bpf", "denied", "ALLOWED (0)", True),
    ],
)
def test_what_counts_as_looser(key: str, ours: str, theirs: str, expected: bool) -> None:
    assert (probe.looser({key: ours}, {key: theirs}) == []) is expected


def test_a_program_of_one_system_call(tmp_path) -> None:
    """Run here, where nothing is filtered: getppid works, close(-1) is EBADF."""
    import platform
    import subprocess

    if platform.machine() != "x86_64":
        pytest.skip("the programs are for x86-64")
    for number, argument, expected in ((110, 0, 0), (3, 0xFFFFFFFF, 9)):
        program = tmp_path / f"call{number}"
        program.write_bytes(probe.program_that_calls(number, argument, 0, 0))
        program.chmod(0o755)
        assert subprocess.run([program], check=False).returncode == expected


@pytest.mark.root
@pytest.mark.peer
@pytest.mark.slow
def test_no_row_is_looser_than_docker(tmp_path, docker) -> None:
    """Every row of the table, in a container of each that asked for nothing."""
    import sys
    from pathlib import Path

    archive = tmp_path / "busybox.tar"
    archive.write_bytes(probe.busybox_archive())
    ours = probe.probe_composer(str(Path(sys.executable).with_name("composer")), archive)
    theirs = probe.probe_docker(f"unix://{docker.socket}", archive)
    assert theirs is not None
    table = probe.table_of({"composer": ours, "Docker": theirs})
    print(table)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 60
    assert probe.looser(ours, theirs) == [], table


@pytest.mark.root
@pytest.mark.scenario
@pytest.mark.slow
def test_a_container_of_composer_is_confined(tmp_path) -> None:
    """What docs/security.md says, read inside a container that asked for nothing."""
    import sys
    from pathlib import Path

    archive = tmp_path / "busybox.tar"
    archive.write_bytes(probe.busybox_archive())
    facts = probe.probe_composer(str(Path(sys.executable).with_name("composer")), archive)
    assert facts["CapEff"] == facts["CapBnd"] == "00000000a80425fb"  # Docker's fourteen
    assert facts["CapInh"] == facts["CapAmb"] == "0" * 16
    assert facts["Seccomp"] == "2"
    assert {facts[f"system call {name.replace(' ', '-')}"] for name in probe.CALLS} <= {"denied"}
    assert facts["descriptors"] == "0 1 2"
    assert {facts[f"namespace {name}"] for name in ("pid", "ipc", "uts", "mnt", "cgroup", "net")} == {"own"}
    assert {key for key, value in facts.items() if value in {"READABLE", "YES"}} == set()
    assert facts["mount /sys"].startswith("sysfs ro")
    assert "ro" in facts["read-only /proc/sys"].split()
    assert set(facts["devices"].split()) <= {"console", "full", "null", "random", "tty", "urandom", "zero"}
