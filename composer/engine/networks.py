"""Every network of the store as ``docker network inspect`` describes it; ``host`` and ``none`` too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from composer import errors
from composer.model import moment, names

if TYPE_CHECKING:
    from composer.engine.drivers import Drivers
    from composer.model.protocols import Endpoint, NetworkState

Document = dict[str, Any]

PREDEFINED = ("host", "none")
"""What needs no making: the host's own namespace and an empty one."""

SHORT_ID = 12


def documents(drivers: Drivers) -> list[Document]:
    """All of them, by name."""
    key = drivers.paths.key
    states = drivers.network.observe_all()
    users = users_of(drivers)
    called = {record.id: record.spec.name for record in drivers.records.every_container()}
    members: dict[str, list[Endpoint]] = {}
    for stack in sorted({state.spec.stack for state in states.values()}):
        for endpoint in drivers.network.endpoints(stack):
            there = members.setdefault(endpoint.network, [])
            if endpoint not in there:
                there.append(endpoint)
    found = [
        _document(state, names.network_id(name, key), members.get(name, ()), called)
        for name, state in states.items()
    ]
    found += [_predefined(name, names.network_id(name, key)) for name in PREDEFINED]
    for document in found:
        document["Users"] = users.get(document["Name"], [])
    return sorted(found, key=lambda document: str(document["Name"]))


def users_of(drivers: Drivers) -> dict[str, list[str]]:
    """The names of the containers, running or not, that are to be on each network."""
    users: dict[str, list[str]] = {}
    for record in drivers.records.every_container():
        for network in record.spec.memberships:
            users.setdefault(network, []).append(record.spec.name)
    return users


def meant(known: Sequence[Document], word: str) -> Document:
    """The network that a name, an id or the beginning of an id means; raises ``UsageError``."""
    for document in known:
        if word in (document["Name"], document["Id"]):
            return document
    found = [document for document in known if word and document["Id"].startswith(word)]
    if len(found) == 1:
        return found[0]
    message = f"network {word} is ambiguous" if found else f"no such network: {word}"
    raise errors.UsageError(message, hint="See `composer network ls`.")


def _document(
    state: NetworkState, identity: str, members: Sequence[Endpoint], called: Mapping[str, str]
) -> Document:
    spec = state.spec
    pools = [
        _pool(state, subnet, gateway)
        for subnet, gateway in ((state.subnet, state.gateway), (state.subnet6, state.gateway6))
        if subnet
    ]
    return {
        "Name": spec.name,
        "Id": identity,
        "Created": moment.rfc3339(state.created),
        "Scope": "local",
        "Driver": spec.driver,
        "EnableIPv4": spec.enable_ipv4,
        "EnableIPv6": spec.enable_ipv6,
        "IPAM": {"Driver": "default", "Options": None, "Config": pools},
        "Internal": spec.internal,
        "Attachable": spec.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {endpoint.container_id: _member(state, endpoint, called) for endpoint in members},
        "Options": dict(spec.driver_opts),
        "Labels": dict(spec.labels),
    }


def _pool(state: NetworkState, subnet: str, gateway: str) -> Document:
    version = ":" in subnet
    found: Document = {"Subnet": subnet, "Gateway": gateway}
    for pool in state.spec.pools:
        if pool.ip_range and (":" in pool.ip_range) is version:
            found["IPRange"] = pool.ip_range
        reserved = {name: one for name, one in pool.aux_addresses.items() if (":" in one) is version}
        if reserved:
            found["AuxiliaryAddresses"] = reserved
    return found


def _member(state: NetworkState, endpoint: Endpoint, called: Mapping[str, str]) -> Document:
    return {
        "Name": called.get(endpoint.container_id, endpoint.container_id[:SHORT_ID]),
        "EndpointID": f"{endpoint.container_id}-{endpoint.interface}",
        "MacAddress": endpoint.mac,
        "IPv4Address": _with_prefix(endpoint.address, state.subnet),
        "IPv6Address": _with_prefix(endpoint.address6, state.subnet6),
    }


def _with_prefix(address: str, subnet: str) -> str:
    return f"{address}/{subnet.rpartition('/')[2]}" if address else ""


def _predefined(name: str, identity: str) -> Document:
    return {
        "Name": name,
        "Id": identity,
        "Created": moment.rfc3339(0.0),
        "Scope": "local",
        "Driver": {"none": "null"}.get(name, name),
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": []},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }
