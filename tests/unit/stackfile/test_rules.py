"""What a schema cannot say, and what cannot run.  Each case was once accepted, or ended in a traceback."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from composer import errors
from composer.model.stack import Stack
from composer.stackfile import rules

Load = Callable[..., Stack]

SERVICE = "services: {a: {image: x, %s}}\n"
HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("attribute", "path", "words"),
    [
        ("scale: 1e30", "services.a.scale", "no usable number"),
        (f'scale: "{HUGE}"', "services.a.scale", "expected a whole number"),
        ("scale: 1001", "services.a.scale", "between 0 and 1000"),
        ("scale: -1", "services.a.scale", "negative"),
        ("pids_limit: -2", "services.a.pids_limit", "or -1 for no limit"),
        (f'pids_limit: "{HUGE}"', "services.a.pids_limit", "expected a whole number"),
        ("cpus: -1", "services.a.cpus", "no number of processors"),
        ("cpus: .inf", "services.a.cpus", "no usable number"),
        ("healthcheck: {test: x, retries: 1e30}", "services.a.healthcheck.retries", "no usable number"),
        ("healthcheck: {test: x, retries: -1}", "services.a.healthcheck.retries", "negative"),
        ("healthcheck: {test: [curl, x]}", "services.a.healthcheck.test", "begins with 'curl'"),
        ("restart: on-failure:99999999999", "services.a.restart", "unknown restart policy"),
        ("stop_signal: SIGFOO", "services.a.stop_signal", "no signal"),
        ('hostname: "a\\n10.0.0.1 bank"', "services.a.hostname", "no host name"),
        (f"hostname: {'h' * 65}", "services.a.hostname", "no host name"),
        ("working_dir: here", "services.a.working_dir", "not an absolute path"),
        ('environment: {"A=B": c}', "services.a.environment", "no name of a variable"),
        ('environment: ["=c"]', "services.a.environment", "no name of a variable"),
        ("tmpfs: /t:size=zz", "services.a.tmpfs[0]", "invalid size"),
        ("tmpfs: /t:exe", "services.a.tmpfs[0]", "unsupported"),
        ("tmpfs: here", "services.a.tmpfs[0]", "not an absolute path"),
        ("tmpfs: [/t/], volumes: ['/h:/t']", "services.a.tmpfs[0]", "/t is a mount already"),
        ("tmpfs: [/t, /t/]", "services.a.tmpfs[1]", "/t is a mount already"),
        ("sysctls: {kernel.core_pattern: '|/evil'}", "services.a.sysctls.kernel.core_pattern", "not separate"),
        ("sysctls: {'net.x=1+kernel.y': 1}", "services.a.sysctls.net.x=1+kernel.y", "no name of a kernel setting"),
        ("sysctls: {net./../kernel/core_pattern: x}", "services.a.sysctls.net./../kernel/core_pattern", "no name"),
        ("sysctls: {net.core.somaxconn: 1}, network_mode: host", "services.a.sysctls.net.core.somaxconn", "host's"),
        ("sysctls: {kernel.shmmax: 1}, ipc: host", "services.a.sysctls.kernel.shmmax", "would be the host's"),
        ("sysctls: {fs.mqueue.msg_max: 1}, ipc: host", "services.a.sysctls.fs.mqueue.msg_max", "would be the host's"),
        ("ports: [1-65535]", "services.a.ports[0]", "more than 10000 ports"),
        (f"ports: [{{target: 80, published: '{HUGE}'}}]", "services.a.ports[0].published", "no port"),
        ("build: docker-image://x", "services.a.build.context", "cannot be a build context"),
        ("volumes: [{type: npipe, source: x, target: /y}]", "services.a.volumes[0].type", "not supported yet"),
    ],
)  # fmt: skip
def test_refused(stack_of: Load, attribute: str, path: str, words: str) -> None:
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(SERVICE % attribute)
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [(path, 1)]
    assert words in caught.value.problems[0].message


@pytest.mark.parametrize(
    "attribute",
    ["stop_signal: term", "stop_signal: '9'", "stop_signal: SIGRTMIN+3", "stop_signal: RTMAX-1", "stop_signal: SIGRTMIN",
     "pids_limit: -1", "pids_limit: 0", "scale: 0", "cpus: 0", "hostname: a.b_c-d", "hostname: ''", "working_dir: ''",
     "tmpfs: '/t:rw,noexec,nosuid,nodev,mode=1777,size=1m'", "healthcheck: {test: [NONE]}",
     "ports: [{target: 80, published: 0}]", "volumes: ['/a:/t', '/b:/t/']"],
)  # fmt: skip
def test_accepted(stack_of: Load, attribute: str) -> None:
    assert list(stack_of(SERVICE % attribute).services) == ["a"]


USES = {
    "volumes": "services: {a: {image: x, volumes: [{type: volume, source: %s, target: /d}]}}\n",
    "networks": "services: {a: {image: x, networks: [%s]}}\n",
}


@pytest.mark.parametrize("name", ["..", ".", "-rf", "a/b", "", "w" * 129, "web\n", "%n", "wеb"])
@pytest.mark.parametrize("section", ["services", "volumes", "networks"])
def test_keys_that_could_leave_a_directory_or_pass_for_an_option(
    stack_of: Load, section: str, name: str
) -> None:
    quoted = '"' + name.replace("\n", "\\n") + '"'
    entry = "{image: x}" if section == "services" else "{}"
    others = "" if section == "services" else USES[section] % quoted
    with pytest.raises(errors.StackFileError, match=r"not a valid name|invalid volume name"):
        stack_of(f"{others}{section}: {{{quoted}: {entry}}}\n")


@pytest.mark.parametrize("name", ["../../x", "/etc", "a/b", ".hidden", "-rf", "..", "x" * 129, "'a b'"])
@pytest.mark.parametrize("section", ["volumes", "networks"])
def test_explicit_names_stay_in_the_store(stack_of: Load, section: str, name: str) -> None:
    """A volume is a directory of that name, and ``down -v`` deletes it."""
    with pytest.raises(errors.StackFileError) as caught:
        stack_of(f"{USES[section] % 'vv'}{section}: {{vv: {{name: {name}}}}}\n")
    assert [problem.path for problem in caught.value.problems] == [f"{section}.vv.name"]


@pytest.mark.parametrize("value", ["true", '"true"', '"True"', "$YES"])
def test_an_external_network_is_one_however_it_is_said(stack_of: Load, value: str) -> None:
    networks = stack_of(
        f"{USES['networks'] % 'vv'}networks: {{vv: {{external: {value}}}}}\n", environment={"YES": "true"}
    ).networks
    assert networks["vv"].external


@pytest.mark.parametrize("value", ["true", '"true"', '"True"', "$YES"])
def test_an_external_volume_is_one_however_it_is_said(stack_of: Load, value: str) -> None:
    text = f"{USES['volumes'] % 'vv'}volumes: {{vv: {{external: {value}}}}}\n"
    assert stack_of(text, environment={"YES": "true"}).volumes["vv"].external


def test_what_nothing_uses_stands_in_nobodys_way(stack_of: Load) -> None:
    """Docker Compose leaves it out too."""
    stack = stack_of(
        "services: {a: {image: x}}\nvolumes: {v: {external: true}}\nnetworks: {n: {driver: overlay}}\n"
    )
    assert (list(stack.volumes), list(stack.networks)) == ([], ["default"])


def test_a_long_chain_is_no_cycle_and_quick() -> None:
    edges = {f"s{n}": [f"s{n + 1}"] for n in range(20_000)}
    assert rules.find_cycle(edges) == []
    edges["s20000"] = ["s19999"]
    assert rules.find_cycle(edges) == ["s19999", "s20000", "s19999"]
