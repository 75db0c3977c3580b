"""Beside other firewalls (F27, F28): what is promised works, what is refused stays refused, nothing is left.

Each firewall is made by hand in the machine of ``conftest``, a host of its own; Docker's is Docker's.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from composer.model.container import NetworkMembership
from composer.model.protocols import NetworkState
from composer.model.stack import PublishedPort
from tests.unit.network.conftest import (
    OUTSIDE,
    OUTSIDE6,
    OUTSIDE6_ADDRESS_OF_HOST,
    OUTSIDE_ADDRESS_OF_HOST,
    Machine,
    Place,
)

pytestmark = pytest.mark.root

WEB = PublishedPort(target=80, published=8080)
QUICK = 0.4

UFW = """
-N ufw-before-forward
-N ufw-user-forward
-N ufw-reject-forward
-N ufw-after-forward
-P FORWARD DROP
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-forward
-A FORWARD -j ufw-reject-forward
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
"""

FIREWALLD = """
table inet firewalld {
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD_ZONES {
        iifname "uplink" goto filter_FWD_public
        goto filter_FWD_public
    }
    chain filter_FWD_public {
        jump filter_FWD_public_allow
        reject with icmpx admin-prohibited
    }
    chain filter_FWD_public_allow { }
}
"""

POLICY_DROP = """
table inet strict {
    chain forward {
        type filter hook forward priority -5; policy drop;
        ct state invalid counter drop
    }
}
table ip6 six {
    chain forward { type filter hook forward priority 5; policy drop; }
}
"""


def _iptables(machine: Machine, kind: str, lines: str) -> None:
    for tool in (f"iptables-{kind}", f"ip6tables-{kind}"):
        for line in filter(None, lines.splitlines()):
            machine.tool(tool, *line.split())


def _nft(machine: Machine, text: str) -> None:
    machine.run(lambda: subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True))


FIREWALLS = {
    "iptables-nft policy": lambda machine: _iptables(machine, "nft", "-P FORWARD DROP"),
    "iptables-legacy policy": lambda machine: _iptables(machine, "legacy", "-P FORWARD DROP"),
    "iptables-nft last rule": lambda machine: _iptables(machine, "nft", "-A FORWARD -j REJECT"),
    "ufw": lambda machine: _iptables(machine, "nft", UFW),
    "ufw that rejects": lambda machine: _iptables(machine, "nft", UFW + "-A ufw-reject-forward -j REJECT"),
    "firewalld": lambda machine: _nft(machine, FIREWALLD),
    "nft policy": lambda machine: _nft(machine, POLICY_DROP),
}


@attrs.frozen
class World:
    """Two containers of one network, and one of another stack."""

    network: NetworkState
    one: Place
    two: Place
    addresses: tuple[str, str]
    stranger: Place


def _world(machine: Machine) -> World:
    network, theirs = machine.create(enable_ipv6=True), machine.create(stack="theirs", enable_ipv6=True)
    one, (mine,) = machine.join("one", {network.spec.name: NetworkMembership()}, ports=(WEB,))
    two, _ = machine.connect("two", network)
    stranger, _ = machine.connect("stranger", theirs, stack="theirs")
    one.serve(80, "::")
    one.serve(81, "::")
    machine.outside.serve(80, "::")
    return World(network, one, two, (mine.address, mine.address6), stranger)


def _assert_promises(machine: Machine, world: World) -> None:
    """Same bridge, out, published; between stacks only what is published."""
    hosts = (OUTSIDE_ADDRESS_OF_HOST, OUTSIDE6_ADDRESS_OF_HOST)
    for own, host, caller in zip(world.addresses, hosts, (OUTSIDE, OUTSIDE6), strict=True):
        assert world.two.call(own, 81) != "nothing", "on one bridge"
        assert world.two.call(caller) == host, "out"
        assert machine.outside.call(host, 8080) == caller, "published"
        assert world.stranger.call(host, 8080) not in ("nothing", "refused"), "published, for another stack"
        assert world.stranger.call(own, 81, seconds=QUICK) == "nothing", "another stack"
        assert machine.outside.call(host, 81, seconds=QUICK) == "refused"


def _everything(machine: Machine) -> str:
    texts = [machine.tool("nft", "list", "ruleset")]
    texts += [machine.tool(tool, "-S") for tool in ("iptables-legacy", "ip6tables-legacy")]
    return "\n".join(texts)


@pytest.mark.parametrize("name", FIREWALLS)
@pytest.mark.parametrize("is_later", [False, True], ids=["first", "later"])
def test_firewall_and_what_is_promised(machine: Machine, name: str, *, is_later: bool) -> None:
    if not is_later:
        FIREWALLS[name](machine)
    before = _everything(machine)
    world = _world(machine)
    if is_later:
        FIREWALLS[name](machine)
        assert "forwarding is blocked by" in machine.damage(world.network)
        machine.create(enable_ipv6=True)
        machine.create(stack="theirs", enable_ipv6=True)
    assert machine.damage(world.network) == ""
    _assert_promises(machine, world)
    for container in ("one", "two", "stranger"):
        machine.leave(container)
    for stack in (machine.stack, "theirs"):
        machine.run(lambda s=stack: machine.driver.remove(f"{s}_default"))
    after = _everything(machine)
    assert "composer" not in after
    if not is_later:
        assert _without_counters(after) == _without_counters(before), "as it was"


def _without_counters(text: str) -> list[str]:
    import re

    return [re.sub(r"packets \d+ bytes \d+", "", line) for line in text.splitlines()]


def test_drop_of_an_administrator_in_ufw_stays_closed(machine: Machine) -> None:
    """``ufw route deny``: moby #22054 is the complaint that it does not."""
    FIREWALLS["ufw"](machine)
    machine.tool(
        "iptables-nft", "-A", "ufw-user-forward", "-p", "tcp", "--dport", "80", "-i", "uplink", "-j", "DROP"
    )
    world = _world(machine)
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080, seconds=QUICK) == "nothing"
    assert world.two.call(OUTSIDE) == OUTSIDE_ADDRESS_OF_HOST


# --------------------------------------------------------------------------- Docker itself


class _InMachine:
    """The machine's namespace as ``tests.peers`` wants one."""

    def __init__(self, machine: Machine) -> None:
        import os

        self.prefix = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{machine.descriptor}"]


@pytest.fixture
def docker(machine: Machine) -> Iterator[object]:
    from tests.peers.engines import Docker
    from tests.peers.fixtures import need

    need("docker", "dockerd", "containerd", "busybox", "nsenter", "setpriv")
    directory = Path(tempfile.mkdtemp(prefix="composer-docker-", dir="/var/tmp"))
    try:
        with Docker(directory, _InMachine(machine)) as daemon:  # type: ignore[arg-type]
            daemon.ok("import", "-", "box", stdin=_image())
            yield daemon
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _image() -> bytes:
    """One program, statically linked or with what it is linked with."""
    packed = io.BytesIO()
    busybox = shutil.which("busybox")
    assert busybox is not None
    listed = subprocess.run(["ldd", busybox], capture_output=True, text=True, check=False).stdout
    libraries = [word for line in listed.splitlines() for word in line.split() if word.startswith("/")]
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(Path(busybox).resolve(), "bin/busybox")
        for library in libraries:
            archive.add(Path(library).resolve(), library.lstrip("/"))
    return packed.getvalue()


@pytest.mark.peer
@pytest.mark.slow
def test_docker_and_composer_on_one_host(machine: Machine, docker) -> None:
    server = ("/bin/busybox", "nc", "-ll", "-p", "80", "-e", "/bin/busybox", "echo", "-n", "hello")
    run = ("run", "-d", "-p", "9090:80", "box", *server)
    identity = docker.ok(*run).decode().strip()
    theirs = docker.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", identity).decode().strip()
    world = _world(machine)
    assert world.network.subnet != "172.17.0.0/16"
    _assert_promises(machine, world)

    def docker_answers() -> bool:
        return machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 9090, seconds=3) == "hello"

    assert docker_answers(), "Docker's own traffic is unharmed"
    assert world.one.call(theirs, 80, seconds=QUICK) == "nothing", "our containers do not enter Docker's"
    inside = docker.call(
        "exec", identity, "/bin/busybox", "wget", "-T", "1", "-qO-", f"http://{world.addresses[0]}:81/"
    )
    assert inside.returncode != 0, "Docker's do not enter ours"
    taken = PublishedPort(target=80, published=9090)
    from composer import errors

    with pytest.raises(errors.PortTaken, match=r"9090/tcp is taken by docker-proxy \(pid \d+\)"):
        machine.join("greedy", {world.network.spec.name: NetworkMembership()}, ports=(taken,))
    machine.tool("nft", "flush", "ruleset")
    docker.__exit__()
    docker.__enter__()
    machine.create(enable_ipv6=True)
    machine.create(stack="theirs", enable_ipv6=True)
    assert machine.damage(world.network) == ""
    _assert_promises(machine, world)
    for container in ("one", "two", "stranger"):
        machine.leave(container)
    for stack in (machine.stack, "theirs"):
        machine.run(lambda s=stack: machine.driver.remove(f"{s}_default"))
    assert "composer" not in _everything(machine)
    docker.call("rm", "-f", identity)


@pytest.mark.peer
@pytest.mark.slow
def test_rule_in_dockers_chain_for_users_comes_first(machine: Machine, docker) -> None:
    machine.tool(
        "iptables",
        "-I",
        "DOCKER-USER",
        "-p",
        "tcp",
        "-m",
        "conntrack",
        "--ctorigdstport",
        "8080",
        "-j",
        "DROP",
    )
    _world(machine)
    assert machine.outside.call(OUTSIDE_ADDRESS_OF_HOST, 8080, seconds=QUICK) == "nothing"
    assert machine.outside.call(OUTSIDE6_ADDRESS_OF_HOST, 8080) == OUTSIDE6, "that family was not mentioned"
