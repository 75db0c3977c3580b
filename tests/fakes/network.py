"""``protocols.Network`` in memory: leases as the real driver gives them, no kernel."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import attrs

from composer import errors
from composer.model import names as derived
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.protocols import Endpoint, NamespaceHandle, NetworkState
from composer.model.stack import PublishedPort
from composer.network import addresses, leases

_ROOT = "/fake"
_FIRST_RANDOM_PORT = 40000


def _block(state: NetworkState, version: int) -> addresses.Block | None:
    lease = leases.NetworkLease(
        spec=state.spec,
        subnet=state.subnet,
        gateway=state.gateway,
        subnet6=state.subnet6,
        gateway6=state.gateway6,
        bridge=state.bridge,
    )
    return lease.block(version)


def _address_in(endpoint: Endpoint, version: int) -> str:
    return endpoint.address if version == 4 else endpoint.address6


class FakeNamespace:
    """A handle that only remembers whether it was closed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


@attrs.define(kw_only=True)
class _Member:
    stack: str
    endpoints: dict[str, Endpoint]
    ports: tuple[PublishedPort, ...]
    is_active: bool = True
    linked: set[str] = attrs.field(factory=set)


class FakeNetwork:
    """Networks and members in dictionaries.

    A test makes faults by hand: ``damage[name] = "..."`` until the next ``create``,
    ``unplug(container, network)`` until the next ``reconnect``, ``taken`` host ports.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._networks: dict[str, NetworkState] = {}
        self._members: dict[str, _Member] = {}
        self.damage: dict[str, str] = {}
        self.taken: set[int] = set()
        self._handles = 0
        self.zone_version = 0

    def create(self, spec: NetworkSpec) -> NetworkState:
        with self._lock:
            self.damage.pop(spec.name, None)
            former = self._networks.get(spec.name)
            if former is not None:
                if former.spec.stack != spec.stack:
                    message = f"network {spec.name} belongs to stack {former.spec.stack}"
                    raise errors.ConflictError(message)
                state = attrs.evolve(former, spec=spec)
            else:
                state = self._leased(spec)
            self._networks[spec.name] = state
            return state

    def _leased(self, spec: NetworkSpec) -> NetworkState:
        taken = [
            subnet for state in self._networks.values() for subnet in (state.subnet, state.subnet6) if subnet
        ]
        found = {4: ("", ""), 6: ("", "")}
        for version, is_wanted in ((4, spec.enable_ipv4), (6, spec.enable_ipv6)):
            if not is_wanted:
                continue
            pool = leases.pool_of(spec, version)
            if pool.subnet is not None:
                subnet = addresses.declared_subnet(spec.name, pool.subnet, taken)
            elif version == 4:
                subnet = addresses.free_subnet(taken)
            else:
                subnet = addresses.free_subnet6(spec.name, taken)
            found[version] = subnet, addresses.gateway_of(spec.name, subnet, pool.gateway)
        state = NetworkState(
            spec=spec,
            subnet=found[4][0],
            gateway=found[4][1],
            subnet6=found[6][0],
            gateway6=found[6][1],
            bridge=derived.bridge_name(spec.name, _ROOT),
        )
        for version in (4, 6):
            _block(state, version)
        return state

    def remove(self, name: str) -> None:
        with self._lock:
            self._networks.pop(name, None)
            self.damage.pop(name, None)
            for member in self._members.values():
                member.endpoints.pop(name, None)
                member.linked.discard(name)

    def observe(self, stack: str) -> Mapping[str, NetworkState]:
        with self._lock:
            return {
                name: attrs.evolve(state, damage=self.damage.get(name, ""))
                for name, state in sorted(self._networks.items())
                if state.spec.stack == stack
            }

    def observe_foreign(self, stack: str, wanted: Iterable[str] = ()) -> Mapping[str, NetworkState]:
        with self._lock:
            used = {
                name
                for member in self._members.values()
                if member.stack == stack
                for name in member.endpoints
            }
            return {
                name: attrs.evolve(self._networks[name], damage=self.damage.get(name, ""))
                for name in sorted({*used, *wanted} & self._networks.keys())
                if self._networks[name].spec.stack != stack
            }

    def observe_all(self) -> Mapping[str, NetworkState]:
        with self._lock:
            return {
                name: attrs.evolve(state, damage=self.damage.get(name, ""))
                for name, state in sorted(self._networks.items())
            }

    def connect(
        self,
        container_id: str,
        memberships: Mapping[str, NetworkMembership],
        names: Sequence[str],
        ports: Sequence[PublishedPort],
        *,
        stack: str,
    ) -> tuple[NamespaceHandle, tuple[Endpoint, ...], tuple[PublishedPort, ...]]:
        with self._lock:
            former = self._members.get(container_id)
            endpoints = {}
            for position, name in enumerate(sorted(memberships, key=lambda n: (-memberships[n].priority, n))):
                membership = memberships[name]
                endpoints[name] = Endpoint(
                    container_id=container_id,
                    network=name,
                    address=self._address(name, membership, former, container_id, 4),
                    address6=self._address(name, membership, former, container_id, 6),
                    interface=f"eth{position}",
                    gateway=self._networks[name].gateway,
                    mac=addresses.mac_of(self._networks[name].gateway).hex(":"),
                    names=tuple(dict.fromkeys([*names, *membership.aliases])),
                )
            published = self._publish(container_id, ports, former)
            self._members[container_id] = _Member(
                stack=stack, endpoints=endpoints, ports=published, linked=set(endpoints)
            )
            self.zone_version += 1
            return self._handle(), tuple(endpoints.values()), published

    def _address(
        self,
        name: str,
        membership: NetworkMembership,
        former: _Member | None,
        container_id: str,
        version: int,
    ) -> str:
        state = self._networks.get(name)
        if state is None:
            message = f"network {name} does not exist"
            raise errors.NetworkFailure(message)
        block = _block(state, version)
        wanted = membership.ipv4_address if version == 4 else membership.ipv6_address
        if block is None:
            if wanted is not None:
                message = f"network {name} has no IPv{version} addresses"
                raise errors.UsageError(message)
            return ""
        others = {
            _address_in(member.endpoints[name], version)
            for identity, member in self._members.items()
            if identity != container_id and name in member.endpoints
        }
        if wanted is not None:
            address = addresses.static_address(block, wanted)
            if address in others:
                message = f"network {name}: address {address} is used"
                raise errors.ConflictError(message)
            return address
        if former is not None and name in former.endpoints:
            return _address_in(former.endpoints[name], version)
        return addresses.free_address(block, others)

    def _publish(
        self, container_id: str, ports: Sequence[PublishedPort], former: _Member | None
    ) -> tuple[PublishedPort, ...]:
        held = {
            (port.published, port.protocol)
            for identity, member in self._members.items()
            if identity != container_id and member.is_active
            for port in member.ports
        }
        before = {(port.target, port.protocol): port for port in former.ports} if former else {}
        chosen = []
        for port in ports:
            if port.last:
                free = [
                    number
                    for number in range(port.published, port.last + 1)
                    if (number, port.protocol) not in held and number not in self.taken
                ]
                if not free:
                    message = f"port {port}: every port of it is taken"
                    raise errors.PortTaken(message)
                held.add((free[0], port.protocol))
                chosen.append(attrs.evolve(port, published=free[0], last=0))
                continue
            if port.published:
                if (port.published, port.protocol) in held or port.published in self.taken:
                    message = f"port {port.published}/{port.protocol} is taken"
                    raise errors.PortTaken(message)
                chosen.append(port)
                continue
            sticky = before.get((port.target, port.protocol))
            number = sticky.published if sticky else _FIRST_RANDOM_PORT
            while (number, port.protocol) in held or number in self.taken:
                number += 1
            held.add((number, port.protocol))
            chosen.append(attrs.evolve(port, published=number))
        return tuple(chosen)

    def rename(self, container_id: str, old: str, new: str) -> None:
        with self._lock:
            member = self._members.get(container_id)
            for name, endpoint in list(member.endpoints.items()) if member else ():
                names = dict.fromkeys(new if one == old else one for one in endpoint.names)
                member.endpoints[name] = attrs.evolve(endpoint, names=tuple(names))
            self.zone_version += 1

    def reconnect(self, container_id: str, pid: int, network: str) -> Endpoint:
        with self._lock:
            member = self._members.get(container_id)
            if member is None or network not in member.endpoints:
                message = f"container {container_id[:12]} has no lease on network {network}"
                raise errors.NetworkFailure(message)
            member.linked.add(network)
            return member.endpoints[network]

    def attach(
        self,
        container_id: str,
        pid: int,
        network: str,
        membership: NetworkMembership,
        names: Sequence[str],
        *,
        stack: str,
    ) -> Endpoint:
        with self._lock:
            member = self._members[container_id]
            endpoint = Endpoint(
                container_id=container_id,
                network=network,
                address=self._address(network, membership, None, container_id, 4),
                address6=self._address(network, membership, None, container_id, 6),
                interface=membership.interface_name or f"eth{len(member.endpoints)}",
                names=tuple(dict.fromkeys([*names, *membership.aliases])),
            )
            member.endpoints[network] = endpoint
            member.linked.add(network)
            self.zone_version += 1
            return endpoint

    def detach(self, container_id: str, pid: int, network: str) -> None:
        with self._lock:
            member = self._members.get(container_id)
            if member is not None:
                member.endpoints.pop(network, None)
                member.linked.discard(network)
                self.zone_version += 1

    def unplug(self, container_id: str, network: str) -> None:
        """Fault: the link is lost."""
        with self._lock:
            self._members[container_id].linked.discard(network)

    def links(self, stack: str) -> Mapping[str, frozenset[str]]:
        with self._lock:
            return {
                identity: frozenset(member.linked)
                for identity, member in self._members.items()
                if member.is_active and member.linked and member.stack == stack
            }

    def disconnect(self, container_id: str) -> None:
        with self._lock:
            member = self._members.get(container_id)
            if member is not None:
                member.is_active = False
                member.linked.clear()
                self.zone_version += 1

    def release_container(self, container_id: str) -> None:
        with self._lock:
            self._members.pop(container_id, None)
            self.zone_version += 1

    def endpoints(self, stack: str) -> Sequence[Endpoint]:
        with self._lock:
            return tuple(
                endpoint
                for member in self._members.values()
                for endpoint in member.endpoints.values()
                if member.is_active
                and (member.stack == stack or self._networks[endpoint.network].spec.stack == stack)
            )

    def published(self, container_id: str) -> tuple[PublishedPort, ...]:
        with self._lock:
            member = self._members.get(container_id)
            return member.ports if member else ()

    def relayed(self, container_id: str) -> tuple[object, ...]:
        """As the driver's: nothing needs to be carried."""
        del container_id
        return ()

    def stand_guard(self, stack: str) -> None:
        """As the driver's: there is nothing to flush."""

    def reserve(self, stack: str) -> tuple[PublishedPort, ...]:
        """As the driver's: nothing was taken meanwhile."""
        del stack
        return ()

    def build_namespace(self) -> NamespaceHandle:
        return self._handle()

    def _handle(self) -> FakeNamespace:
        self._handles += 1
        return FakeNamespace(f"/proc/0/fd/{self._handles}")
