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
    assert {facts[f"namespace {name}"] for name in ("pid", "ipc", "uts", "mnt", "cgroup", "net")} == {"own"}
    assert {key for key, value in facts.items() if value in {"READABLE", "YES"}} == set()
    assert facts["mount /sys"].startswith("sysfs ro")
    assert "ro" in facts["read-only /proc/sys"].split()
    assert set(facts["devices"].split()) <= {"console", "full", "null", "random", "tty", "urandom", "zero"}
