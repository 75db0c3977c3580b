"""What each attribute is found to be; a service that asks for nothing has no findings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from composer.model.stack import Stack
from composer.planner import audit
from composer.planner.audit import Weight
from composer.stackfile.load import LoadRequest, load_stack

Load = Callable[[str], Stack]


@pytest.fixture
def stack_of(tmp_path: Path) -> Load:
    def loaded(text: str) -> Stack:
        (tmp_path / "compose.yaml").write_text(text)
        return load_stack(LoadRequest(directory=str(tmp_path), environment={})).stack

    return loaded


TABLE: dict[str, list[tuple[str, str, str]]] = {
    "privileged: true": [("HIGH", "privileged", "the host's root")],
    "cap_add: [SYS_ADMIN, CAP_CHOWN]": [
        ("HIGH", "cap_add", "SYS_ADMIN"),
        ("LOW", "cap_add", "CHOWN"),
    ],
    "cap_drop: [ALL]": [],
    "security_opt: [seccomp=unconfined]": [("HIGH", "security_opt", "every system call")],
    "security_opt: [apparmor=unconfined]": [("MEDIUM", "security_opt", "AppArmor")],
    "security_opt: [label=disable]": [("MEDIUM", "security_opt", "SELinux")],
    "security_opt: [systempaths=unconfined]": [("HIGH", "security_opt", "masked")],
    "security_opt: [no-new-privileges]": [],
    "network_mode: host": [("HIGH", "network_mode", "host's network")],
    "network_mode: none": [],
    "pid: host": [("HIGH", "pid", "signals the host's processes")],
    "ipc: host": [("MEDIUM", "ipc", "shares memory")],
    "uts: host": [("LOW", "uts", "host's name")],
    "volumes: ['/var/run/docker.sock:/s']": [("HIGH", "volumes", "docker.sock")],
    "volumes: ['/:/host:ro']": [("HIGH", "volumes", "reads the host's /")],
    "volumes: ['/etc/ssl:/e:ro']": [("MEDIUM", "volumes", "reads the host's /etc/ssl")],
    "volumes: ['/etc:/e']": [("HIGH", "volumes", "writes the host's /etc")],
    "volumes: ['/srv/data:/d']": [("MEDIUM", "volumes", "writes the host's /srv/data")],
    "volumes: ['./data:/d']": [("LOW", "volumes", "of the stack's directory")],
    "volumes: ['./data:/d:ro']": [],
    "volumes: ['named:/d']": [],
    "volumes: ['bound:/d']": [("HIGH", "volumes", "writes the host's /root/x")],
    "tmpfs: [/t]": [],
    "devices: ['/dev/sda']": [("MEDIUM", "devices", "/dev/sda")],
    "devices: ['/dev/null:/dev/x']": [],
    "device_cgroup_rules: ['a *:* rwm']": [("HIGH", "device_cgroup_rules", "a *:* rwm")],
    "gpus: all": [("LOW", "gpus", "vendor")],
    "ports: ['8080:80']": [("MEDIUM", "ports", "port 8080 (tcp) is open to every address")],
    "ports: ['127.0.0.1:8080:80']": [],
    "expose: [80]": [],
    "environment: {DB_PASSWORD: hunter2}": [("MEDIUM", "environment", "gets DB_PASSWORD")],
    "environment: {API_KEY: hunter2}": [("MEDIUM", "environment", "gets API_KEY")],
    "environment: {DB_PASSWORD_FILE: /run/secrets/x, KEYBOARD: us, MONKEY: x}": [],
    "environment: {DB_PASSWORD: ''}": [],
    "pids_limit: -1": [("MEDIUM", "pids_limit", "without bound")],
    "oom_score_adj: -500": [("LOW", "oom_score_adj", "killed later")],
    "post_start: [{command: [x], privileged: true}]": [("HIGH", "post_start", "every capability")],
    "runtime: runsc": [("LOW", "runtime", "runsc")],
    "user: root": [],
}


@pytest.mark.parametrize("body", TABLE)
def test_what_is_found(stack_of: Load, body: str) -> None:
    stack = stack_of(
        f"services: {{a: {{image: x, {body}}}}}\n"
        "volumes: {named: {}, bound: {driver_opts: {type: none, o: bind, device: /root/x}}}\n"
    )
    found = audit.audit(stack)
    expected = TABLE[body]
    assert [(one.weight.name, one.attribute) for one in found] == [row[:2] for row in expected]
    for one, (_, _, words) in zip(found, expected, strict=True):
        assert words in one.sentence


def test_no_value_of_a_variable_is_ever_said(stack_of: Load) -> None:
    (finding,) = audit.audit(stack_of("services: {a: {image: x, environment: {TOKEN: hunter2}}}\n"))
    assert "hunter2" not in repr(finding)


def test_the_weightiest_come_first(stack_of: Load) -> None:
    stack = stack_of(
        "services: {a: {image: x, uts: host, ports: ['80:80']}, b: {image: x, privileged: true}}\n"
    )
    assert [one.weight for one in audit.audit(stack)] == [Weight.HIGH, Weight.MEDIUM, Weight.LOW]
