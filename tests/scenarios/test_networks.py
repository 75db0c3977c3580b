"""Networks from a stack file to packets: names, shared networks, ports, and what a flush takes away."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import urllib.request

import pytest

from tests.scenarios.conftest import Stack, Store, eventually

pytestmark = [pytest.mark.root, pytest.mark.scenario]

SERVICE = "image: busybox\n    stop_signal: SIGKILL\n"
SLEEP = f"{SERVICE}    command: sleep 1000\n"
HTTPD = f"{SERVICE}    command: sh -c 'hostname > /tmp/who; exec httpd -f -p 80 -h /tmp'\n"


def inside(stack: Stack, service: str, command: str) -> str:
    done = stack.call("exec", "-T", service, "sh", "-c", command)
    return done.stdout + done.stderr


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode().strip())


def addresses_of(stack: Stack, service: str, name: str) -> set[str]:
    """What DNS says inside: every address behind the server's own line."""
    answer = inside(stack, service, f"nslookup {name}. 127.0.0.11")
    return set(re.findall(r"^Address(?: \d+)?: (\S+)$", answer.partition("\n\n")[2], re.MULTILINE))


@pytest.fixture(scope="module")
def names(store: Store) -> Stack:
    stack = store.stack(
        "names",
        f"""
services:
  web:
    {HTTPD}
    scale: 3
    networks: {{front: {{aliases: [www]}}}}
  db:
    {HTTPD}
    networks: [back]
  api:
    {SLEEP}
    networks: [front, back]
    links: ["db:database", web]
  other:
    {SLEEP}
    networks: [front]
networks:
  front: {{enable_ipv6: true}}
  back: {{internal: true}}
""",
    )
    stack.ok("up", "-d")
    return stack


def test_a_scaled_service_has_several_addresses_of_both_families(names: Stack) -> None:
    found = addresses_of(names, "api", "web")
    assert len([address for address in found if "." in address]) == 3
    assert len([address for address in found if address.startswith("fd")]) == 3
    assert addresses_of(names, "api", "www") == found
    for number in (1, 2, 3):
        own = addresses_of(names, "api", f"{names.name}-web-{number}")
        assert len(own) == 2
        assert own < found


def test_addresses_take_turns(names: Stack) -> None:
    firsts = {
        re.findall(r"^Address: (10\.\S+|172\.\S+)$", inside(names, "api", "nslookup -type=a web. 127.0.0.11"), re.MULTILINE)[0]
        for _ in range(12)
    }  # fmt: skip
    assert len(firsts) == 3


def test_an_alias_of_a_link_is_seen_by_its_owner_alone(names: Stack) -> None:
    assert addresses_of(names, "api", "database") == addresses_of(names, "api", "db") != set()
    assert inside(names, "api", "wget -qO- http://database/who").strip() != ""
    assert addresses_of(names, "other", "database") == set()


def test_names_of_networks_that_one_is_not_on_do_not_resolve(names: Stack) -> None:
    assert addresses_of(names, "other", "db") == set()
    assert "NXDOMAIN" in inside(names, "other", "nslookup db. 127.0.0.11")
    assert addresses_of(names, "db", "web") == set()


def test_reverse_lookups(names: Stack) -> None:
    for address in addresses_of(names, "api", f"{names.name}-web-1"):
        answer = inside(names, "api", f"nslookup {address} 127.0.0.11")
        assert f"name = {names.name}-web-1.{names.name}_front" in answer


def test_internal_service_asks_nobody_outside(names: Stack) -> None:
    assert "NXDOMAIN" in inside(names, "db", "nslookup example.org. 127.0.0.11")


def test_stacks_share_a_network(store: Store) -> None:
    shared = f"shared{os.getpid()}"
    owner = store.stack(
        "owner",
        f"""
services:
  web:
    {HTTPD}
    networks: [common]
    container_name: {shared}-web
networks:
  common: {{name: {shared}, enable_ipv6: true}}
""",
    )
    guest = store.stack(
        "guest",
        f"""
services:
  client:
    {SLEEP}
    networks: [theirs, default]
    external_links: ["{shared}-web:elsewhere"]
networks:
  theirs: {{external: true, name: {shared}}}
""",
    )
    missing = guest.call("up", "-d")
    assert missing.returncode == 17, missing.stderr
    assert f"network {shared} is declared external and does not exist" in missing.stderr
    assert guest.rows() == {}
    owner.ok("up", "-d")
    guest.ok("up", "-d")
    assert len(addresses_of(guest, "client", "web")) == 2
    assert addresses_of(guest, "client", "elsewhere") == addresses_of(guest, "client", f"{shared}-web")
    assert inside(guest, "client", "wget -qO- http://elsewhere/who").strip()
    eventually(lambda: len(addresses_of(owner, "web", "client")) == 2)
    refused = owner.call("down", "-t", "0")
    assert refused.returncode == 17
    assert f"network {shared} is used by container" in refused.stderr
    guest.ok("down", "-t", "0")
    assert "Network" not in guest.call("down").stderr
    owner.ok("down", "-t", "0")


def test_a_range_takes_a_free_port_and_keeps_it(store: Store) -> None:
    with socket.socket() as program:
        program.bind(("0.0.0.0", 0))
        program.listen()
        first = program.getsockname()[1]
        stack = store.stack(
            "range",
            f"services:\n  web:\n    {HTTPD}\n    scale: 2\n    ports: ['{first}-{first + 9}:80', '80']\n",
        )
        stack.ok("up", "-d")

        def ports() -> dict[str, list[int]]:
            rows = stack.rows()
            return {
                name: sorted({port["PublishedPort"] for port in row["Publishers"]})
                for name, row in rows.items()
            }

        before = ports()
        every = [port for found in before.values() for port in found]
        assert len(every) == len(set(every)) == 4
        assert first not in every
        assert all(any(first < port < first + 10 for port in found) for found in before.values())
    stack.ok("restart", "-t", "0")
    assert ports() == before, "sticky, though the first is free now"
    for name, found in before.items():
        container = inside(stack, "web", "true") or name
        assert container
        for port in found:
            assert fetch(f"http://127.0.0.1:{port}/who")
            assert fetch(f"http://[::1]:{port}/who"), "carried by the supervisor"
    stack.ok("down", "-t", "0")


def test_loopback_of_ipv6_outlives_the_supervisor_when_it_is_back(store: Store) -> None:
    stack = store.stack(
        "six", f"services:\n  web:\n    {HTTPD}\n    ports: ['[::1]:0:80', '127.0.0.1::80']\n"
    )
    stack.ok("up", "-d")
    (row,) = stack.rows().values()
    port = {port["URL"]: port["PublishedPort"] for port in row["Publishers"]}
    assert fetch(f"http://[::1]:{port['::1']}/who")
    os.kill(stack.supervisor, 9)
    assert fetch(f"http://127.0.0.1:{port['127.0.0.1']}/who"), "rules need no supervisor"
    stack.ok("ps")
    eventually(lambda: _reaches(f"http://[::1]:{port['::1']}/who"))
    stack.ok("down", "-t", "0")


def test_too_many_containers_are_refused_before_anything_changes(store: Store) -> None:
    stack = store.stack(
        "full",
        f"services:\n  web:\n    {SLEEP}\n    scale: 10\nnetworks:\n  default: {{ipam: {{config: [{{subnet: 10.213.9.0/29}}]}}}}\n",
    )
    done = stack.call("up", "-d")
    assert done.returncode == 17
    assert "10 containers need an address, 10.213.9.0/29 has 5" in done.stderr
    assert stack.rows() == {}
    stack.ok("up", "-d", "--scale", "web=5")
    stack.ok("down", "-t", "0")
    stack.ok("up", "-d", "--scale", "web=5")
    stack.ok("down", "-t", "0")


def test_host_and_none_as_external_networks(store: Store) -> None:
    stack = store.stack(
        "predefined",
        f"""
services:
  a:
    {SLEEP}
    networks: [theirs]
  b:
    {SLEEP}
    networks: [nothing]
networks:
  theirs: {{external: true, name: host}}
  nothing: {{external: true, name: none}}
""",
    )
    stack.ok("up", "-d")
    assert inside(stack, "a", "readlink /proc/self/ns/net").strip() == os.readlink("/proc/self/ns/net")
    assert inside(stack, "b", "ls /sys/class/net").split() == ["lo"]
    stack.ok("down", "-t", "0")


def test_removed_link_and_flushed_table_are_put_back(store: Store) -> None:
    """F28 and F29 on a living stack: only what is this stack's is taken away here."""
    stack = store.stack("broken", f"services:\n  web:\n    {HTTPD}\n    ports: ['127.0.0.1::80']\n")
    stack.ok("up", "-d")
    (row,) = stack.rows().values()
    url = f"http://127.0.0.1:{row['Publishers'][0]['PublishedPort']}/who"
    assert fetch(url)
    (address,) = addresses_of(stack, "web", "web")
    route = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True, check=True).stdout
    bridge = re.findall(r"dev (\S+)", route)[0]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    (table,) = [
        name
        for name in re.findall(r"inet (composer_(?!fence_)\w+)", tables)
        if bridge in subprocess.run(["nft", "list", "table", "inet", name], capture_output=True, text=True, check=True).stdout
    ]  # fmt: skip
    subprocess.run(["nft", "delete", "table", "inet", table], check=True)
    eventually(lambda: _reaches(url), within=5)
    subprocess.run(["ip", "link", "del", bridge], check=True)
    eventually(lambda: _reaches(url), within=6)
    stack.ok("down", "-t", "0")
    assert (
        bridge not in subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    )


def _reaches(url: str) -> bool:
    try:
        return bool(fetch(url))
    except OSError:
        return False
