"""Who has which subnet, address and host port: the tables ``networks``, ``endpoints``, ``ports``.

Each function is one transaction, exclusive against every other process of the store, so two stacks
that start at once never get the same.  A row is the intent: it is written before the kernel object
exists and deleted after that is gone.  ``is_active`` marks what a running container uses; an inactive
row keeps the address or port for the container's next start.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from composer import errors
from composer.host.database import Database
from composer.model import canonical, driveroptions
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.stack import Pool, PublishedPort
from composer.network import addresses
from composer.network.addresses import Block

BUILD = "build/"
"""Prefix of the pseudo-stacks of builds; no stack's name can have it."""

_EVERY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 -- compared, not bound


@attrs.frozen(kw_only=True)
class NetworkLease:
    """A recorded network; ``subnet6`` and ``gateway6`` are those of IPv6, each family "" without one."""

    spec: NetworkSpec
    subnet: str
    gateway: str
    bridge: str
    subnet6: str = ""
    gateway6: str = ""
    created: float = 0.0

    @property
    def is_bridge(self) -> bool:
        """Whether it is a bridge of ours, rather than slices of an interface of the host."""
        return self.spec.driver == driveroptions.BRIDGE

    @property
    def subnets(self) -> tuple[tuple[str, str], ...]:
        """Each family's (subnet, gateway), IPv4 first."""
        both = ((self.subnet, self.gateway), (self.subnet6, self.gateway6))
        return tuple(pair for pair in both if pair[0])

    def block(self, version: int) -> Block | None:
        """The addresses of a family; ``None`` where the network has none of it."""
        subnet, gateway = (self.subnet, self.gateway) if version == 4 else (self.subnet6, self.gateway6)
        if not subnet:
            return None
        pool = pool_of(self.spec, version)
        return addresses.block_of(
            self.spec.name,
            subnet,
            gateway,
            ip_range=pool.ip_range,
            reserved=[address for one in self.spec.pools for address in one.aux_addresses.values()],
        )

    def prefix(self, version: int) -> int:
        """The length of a family's prefix."""
        return int((self.subnet if version == 4 else self.subnet6).rpartition("/")[2])


@attrs.frozen(kw_only=True)
class EndpointLease:
    """A container's addresses on a network; ``position`` is its place among the container's networks."""

    container_id: str
    network: str
    stack: str
    address: str
    interface: str
    position: int
    names: tuple[str, ...]
    is_active: bool
    address6: str = ""
    membership: NetworkMembership = NetworkMembership()


@attrs.frozen(kw_only=True)
class PortLease:
    """A container's published port: what was asked for, and the host port chosen (0 before that)."""

    container_id: str
    stack: str
    asked: PublishedPort
    published: int
    is_active: bool

    @property
    def port(self) -> PublishedPort:
        """The port as it is published."""
        return attrs.evolve(self.asked, published=self.published, last=0)


def pool_of(spec: NetworkSpec, version: int) -> Pool:
    """What the network's definition says about the addresses of a family."""
    for pool in spec.pools:
        written = pool.subnet or pool.gateway or pool.ip_range
        if written and addresses.version_of(written) == version:
            return pool
    return Pool()


class Leases:
    """The three tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------------ networks

    def lease_network(
        self, spec: NetworkSpec, bridge: str, host_subnets: Sequence[str], *, prefix: int = addresses.PREFIX
    ) -> NetworkLease:
        """The network's lease, made if there is none; ``host_subnets`` are taken by others' routes.

        Raises ``SubnetOverlap``, ``UsageError``, or ``ConflictError`` when another stack has the name.
        """
        with self._database.transaction() as connection:
            existing = self.network(spec.name)
            if existing is not None:
                if existing.spec.stack != spec.stack:
                    message = f"network {spec.name} belongs to stack {existing.spec.stack}"
                    raise errors.ConflictError(message, hint="Name it otherwise, or declare it external.")
                if existing.spec != spec:
                    connection.execute(
                        "UPDATE networks SET spec = ? WHERE name = ?", (canonical.to_json(spec), spec.name)
                    )
                return attrs.evolve(existing, spec=spec)
            recorded = [
                subnet
                for row in connection.execute("SELECT subnet, subnet6 FROM networks")
                for subnet in row
                if subnet
            ]
            lease = _new_lease(spec, bridge, [*host_subnets, *recorded], prefix)
            for version in (4, 6):
                lease.block(version)  # refuses ranges and reserved addresses outside
            connection.execute(
                "INSERT INTO networks"
                " (name, stack, spec, subnet, gateway, subnet6, gateway6, bridge, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    spec.name,
                    spec.stack,
                    canonical.to_json(spec),
                    lease.subnet,
                    lease.gateway,
                    lease.subnet6,
                    lease.gateway6,
                    bridge,
                    lease.created,
                ),
            )
            return lease

    def network(self, name: str) -> NetworkLease | None:
        """One recorded network."""
        row = self._database.row("SELECT * FROM networks WHERE name = ?", (name,))
        return None if row is None else _network_from(row)

    def networks(self, stack: str) -> tuple[NetworkLease, ...]:
        """The networks that a stack owns, by name."""
        rows = self._database.rows("SELECT * FROM networks WHERE stack = ? ORDER BY name", (stack,))
        return tuple(map(_network_from, rows))

    def every_network(self) -> tuple[NetworkLease, ...]:
        """Every network of the store but those of builds, by name."""
        rows = self._database.rows(
            "SELECT * FROM networks WHERE NOT stack GLOB ? ORDER BY name", (f"{BUILD}*",)
        )
        return tuple(map(_network_from, rows))

    def networks_used_by(self, stack: str) -> tuple[NetworkLease, ...]:
        """Other stacks' networks that containers of this one are on, by name."""
        rows = self._database.rows(
            "SELECT * FROM networks WHERE stack != ? AND name IN"
            " (SELECT network FROM endpoints WHERE stack = ?) ORDER BY name",
            (stack, stack),
        )
        return tuple(map(_network_from, rows))

    def build_stacks(self) -> tuple[str, ...]:
        """The pseudo-stacks of builds."""
        rows = self._database.rows("SELECT stack FROM networks WHERE stack GLOB ?", (f"{BUILD}*",))
        return tuple(row["stack"] for row in rows)

    def forget_network(self, name: str) -> None:
        """Delete the network and every lease on it."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM endpoints WHERE network = ?", (name,))
            connection.execute("DELETE FROM networks WHERE name = ?", (name,))

    # ------------------------------------------------------------------ endpoints

    def lease_endpoints(
        self,
        container_id: str,
        stack: str,
        memberships: Mapping[str, NetworkMembership],
        names: Sequence[str],
    ) -> tuple[EndpointLease, ...]:
        """Active addresses on each network, the former ones where they suit, in the order of interfaces.

        Raises ``NetworkFailure`` for a network that is not recorded, ``ConflictError`` when an address
        is taken or none is left.  The container's leases on other networks are dropped.
        """
        with self._database.transaction() as connection:
            former = {lease.network: lease for lease in self.endpoints_of(container_id)}
            for left in former.keys() - memberships.keys():
                self.forget_endpoint(container_id, left)
            interfaces = _Interfaces(memberships.values())
            leases = []
            for position, name in enumerate(_in_order(memberships)):
                network = self._existing(name)
                lease = EndpointLease(
                    container_id=container_id,
                    network=name,
                    stack=stack,
                    address=self._address(
                        connection,
                        container_id,
                        network,
                        memberships[name],
                        version=4,
                        former=former.get(name),
                    ),
                    address6=self._address(
                        connection,
                        container_id,
                        network,
                        memberships[name],
                        version=6,
                        former=former.get(name),
                    ),
                    interface=interfaces.next(network, memberships[name]),
                    position=position,
                    names=tuple(dict.fromkeys([*names, *memberships[name].aliases])),
                    is_active=True,
                    membership=memberships[name],
                )
                _insert_endpoint(connection, lease)
                leases.append(lease)
            return tuple(leases)

    def lease_endpoint(
        self, container_id: str, stack: str, network: str, membership: NetworkMembership, names: Sequence[str]
    ) -> EndpointLease:
        """One more network for a container, behind those that it has; raises as ``lease_endpoints``."""
        with self._database.transaction() as connection:
            others = [lease for lease in self.endpoints_of(container_id) if lease.network != network]
            interfaces = _Interfaces([membership], taken=[lease.interface for lease in others])
            lease = self._existing(network)
            made = EndpointLease(
                container_id=container_id,
                network=network,
                stack=stack,
                address=self._address(connection, container_id, lease, membership, version=4),
                address6=self._address(connection, container_id, lease, membership, version=6),
                interface=interfaces.next(lease, membership),
                position=max((other.position for other in others), default=-1) + 1,
                names=tuple(dict.fromkeys([*names, *membership.aliases])),
                is_active=True,
                membership=membership,
            )
            _insert_endpoint(connection, made)
            return made

    def forget_endpoint(self, container_id: str, network: str) -> None:
        """The container left a network: its addresses there are free."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM endpoints WHERE container = ? AND network = ?", (container_id, network)
            )

    def _existing(self, name: str) -> NetworkLease:
        network = self.network(name)
        if network is None:
            message = f"network {name} does not exist"
            raise errors.NetworkFailure(message, hint="`composer up` makes it.")
        return network

    def _address(
        self,
        connection: sqlite3.Connection,
        container_id: str,
        network: NetworkLease,
        membership: NetworkMembership,
        *,
        version: int,
        former: EndpointLease | None = None,
    ) -> str:
        """An address of one family; "" where the network has none of it."""
        block = network.block(version)
        wanted = membership.ipv4_address if version == 4 else membership.ipv6_address
        if block is None:
            if wanted is not None:
                message = f"network {network.spec.name} has no IPv{version} addresses to take {wanted} from"
                raise errors.UsageError(message)
            return ""
        column = "address" if version == 4 else "address6"
        others = {
            row[column]: row
            for row in connection.execute(
                "SELECT * FROM endpoints WHERE network = ? AND container != ?",
                (network.spec.name, container_id),
            )
        }
        if wanted is None:
            before = (former.address if version == 4 else former.address6) if former else ""
            if before and before not in others:
                return before
            return addresses.free_address(block, others.keys())
        address = addresses.static_address(block, wanted)
        holder = others.get(address)
        if holder is not None and holder["is_active"]:
            message = (
                f"network {network.spec.name}: address {address} is used by container"
                f" {holder['container'][:12]}"
            )
            raise errors.ConflictError(message, hint="Static addresses are best taken from the upper end.")
        if holder is not None:  # kept for a container that does not run: it will get another one
            self.forget_endpoint(holder["container"], network.spec.name)
        return address

    def endpoints_of(self, container_id: str) -> tuple[EndpointLease, ...]:
        """A container's endpoints, in the order of its interfaces."""
        rows = self._database.rows(
            "SELECT * FROM endpoints WHERE container = ? ORDER BY position", (container_id,)
        )
        return tuple(map(_endpoint_from, rows))

    def rename(self, container_id: str, old: str, new: str) -> None:
        """A container's endpoints answer to another name."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT network, names FROM endpoints WHERE container = ?", (container_id,)
            ).fetchall()
            for row in rows:
                names = [new if name == old else name for name in json.loads(row["names"])]
                db.execute(
                    "UPDATE endpoints SET names = ? WHERE container = ? AND network = ?",
                    (json.dumps(list(dict.fromkeys(names))), container_id, row["network"]),
                )

    def endpoints_on(self, network: str) -> tuple[EndpointLease, ...]:
        """Every endpoint of a network."""
        rows = self._database.rows("SELECT * FROM endpoints WHERE network = ? ORDER BY container", (network,))
        return tuple(map(_endpoint_from, rows))

    def endpoints_near(self, stack: str) -> tuple[EndpointLease, ...]:
        """Every endpoint on the networks that a stack owns or has a container on."""
        rows = self._database.rows(
            "SELECT * FROM endpoints WHERE network IN"
            " (SELECT name FROM networks WHERE stack = ?"
            "  UNION SELECT network FROM endpoints WHERE stack = ?)"
            " ORDER BY network, container",
            (stack, stack),
        )
        return tuple(map(_endpoint_from, rows))

    def internal_networks(self) -> frozenset[str]:
        """The names of the recorded networks without a way out."""
        rows = self._database.rows("SELECT * FROM networks")
        return frozenset(lease.spec.name for lease in map(_network_from, rows) if lease.spec.internal)

    # ------------------------------------------------------------------ ports

    def lease_ports(
        self,
        container_id: str,
        stack: str,
        ports: Sequence[PublishedPort],
        *,
        is_plugged: Callable[[str], bool],
    ) -> tuple[PortLease, ...]:
        """The container's ports, active; those with a choice keep the host port they had, 0 before.

        Raises ``PortTaken`` when another container has one; ``is_plugged`` says whether a container
        that the records call active has a link at all (after a crash it need not).
        """
        with self._database.transaction() as connection:
            former = {lease.asked: lease.published for lease in self.ports_of(container_id)}
            connection.execute("DELETE FROM ports WHERE container = ?", (container_id,))
            leases = []
            for port in ports:
                published = port.published if port.is_settled else former.get(port, 0)
                if published:
                    number = attrs.evolve(port, published=published, last=0)
                    holder = self._holder_of(connection, container_id, number, is_plugged)
                    if holder is not None and port.is_settled:
                        raise _taken(number, holder)
                    published = 0 if holder is not None else published
                lease = PortLease(
                    container_id=container_id, stack=stack, asked=port, published=published, is_active=True
                )
                _insert_port(connection, lease)
                leases.append(lease)
            return tuple(leases)

    def choose_port(self, lease: PortLease, published: int, *, is_plugged: Callable[[str], bool]) -> bool:
        """Record the host port that one with a choice got; false when another container has it."""
        with self._database.transaction() as connection:
            wanted = attrs.evolve(lease.asked, published=published, last=0)
            if self._holder_of(connection, lease.container_id, wanted, is_plugged) is not None:
                return False
            _insert_port(connection, attrs.evolve(lease, published=published))
            return True

    def _holder_of(
        self,
        connection: sqlite3.Connection,
        container_id: str,
        port: PublishedPort,
        is_plugged: Callable[[str], bool],
    ) -> sqlite3.Row | None:
        """The row of another container that has a port of that number, if there is one."""
        rows: list[sqlite3.Row] = connection.execute(
            "SELECT * FROM ports WHERE published = ? AND protocol = ? AND is_active = 1 AND container != ?",
            (port.published, port.protocol, container_id),
        ).fetchall()
        for row in rows:
            if port.host_ip != row["host_ip"] and not _EVERY & {port.host_ip, row["host_ip"]}:
                continue
            if is_plugged(row["container"]):
                return row
            connection.execute("UPDATE ports SET is_active = 0 WHERE container = ?", (row["container"],))
        return None

    def ports_of(self, container_id: str) -> tuple[PortLease, ...]:
        """A container's ports."""
        rows = self._database.rows(
            "SELECT * FROM ports WHERE container = ? ORDER BY target, protocol, host_ip, published",
            (container_id,),
        )
        return tuple(map(_port_from, rows))

    def active_ports(self, stack: str) -> tuple[PortLease, ...]:
        """Every port that a stack's containers publish now."""
        rows = self._database.rows(
            "SELECT * FROM ports WHERE stack = ? AND is_active = 1 AND published > 0"
            " ORDER BY container, target, protocol, host_ip, published",
            (stack,),
        )
        return tuple(map(_port_from, rows))

    def ways(self, stack: str) -> tuple[tuple[PortLease, EndpointLease], ...]:
        """Every active port of a stack with each endpoint of its container, in order of interfaces.

        One query, because it is asked whenever the rules might change.
        """
        rows = self._database.rows(
            "SELECT ports.target, ports.host_ip, ports.published, ports.protocol, ports.first, ports.last,"
            " endpoints.* FROM ports JOIN endpoints ON endpoints.container = ports.container"
            " WHERE ports.stack = ? AND ports.is_active = 1 AND ports.published > 0"
            " ORDER BY ports.container, ports.target, ports.protocol, ports.host_ip, ports.published,"
            " endpoints.position",
            (stack,),
        )
        return tuple((_port_from(row), _endpoint_from(row)) for row in rows)

    # ------------------------------------------------------------------ containers

    def deactivate(self, container_id: str) -> bool:
        """The container stopped; returns whether it had published ports until now."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE endpoints SET is_active = 0 WHERE container = ?", (container_id,))
            changed = connection.execute(
                "UPDATE ports SET is_active = 0 WHERE container = ? AND is_active = 1", (container_id,)
            )
            return changed.rowcount > 0

    def release(self, container_id: str) -> None:
        """The container is removed: its addresses and ports are free."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM endpoints WHERE container = ?", (container_id,))
            connection.execute("DELETE FROM ports WHERE container = ?", (container_id,))


class _Interfaces:
    """Gives out interface names inside a container: as asked for, else the network's prefix and a number."""

    def __init__(self, memberships: Iterable[NetworkMembership], taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        for name in filter(None, map(_interface_asked, memberships)):
            if name in self._taken:
                message = f"the container has an interface {name} already"
                raise errors.ConflictError(message, hint="Ask for another interface_name.")
            self._taken.add(name)

    def next(self, network: NetworkLease, membership: NetworkMembership) -> str:
        asked = _interface_asked(membership)
        if asked:
            return asked
        prefix = prefix_of(network.spec)
        number = 0
        while f"{prefix}{number}" in self._taken:
            number += 1
        self._taken.add(f"{prefix}{number}")
        return f"{prefix}{number}"


def prefix_of(spec: NetworkSpec) -> str:
    """What the interfaces of a network are called in containers, but for the number."""
    if spec.driver == driveroptions.BRIDGE:
        return driveroptions.bridge_options(spec.driver_opts).prefix
    return driveroptions.parent_options(spec.driver, spec.driver_opts).prefix


def _interface_asked(membership: NetworkMembership) -> str:
    return membership.interface_name or driveroptions.endpoint_options(membership.driver_opts).interface


def _in_order(memberships: Mapping[str, NetworkMembership]) -> list[str]:
    """Networks of higher priority first, then by name."""
    return sorted(memberships, key=lambda name: (-memberships[name].priority, name))


def _new_lease(spec: NetworkSpec, bridge: str, taken: Sequence[str], prefix: int) -> NetworkLease:
    subnet = gateway = subnet6 = gateway6 = ""
    if spec.enable_ipv4:
        pool = pool_of(spec, 4)
        subnet = (
            addresses.declared_subnet(spec.name, pool.subnet, taken)
            if pool.subnet
            else addresses.free_subnet(taken, prefix=prefix)
        )
        gateway = addresses.gateway_of(spec.name, subnet, pool.gateway)
    if spec.enable_ipv6:
        pool = pool_of(spec, 6)
        subnet6 = (
            addresses.declared_subnet(spec.name, pool.subnet, taken)
            if pool.subnet
            else addresses.free_subnet6(bridge, taken)
        )
        gateway6 = addresses.gateway_of(spec.name, subnet6, pool.gateway)
    return NetworkLease(
        spec=spec,
        subnet=subnet,
        gateway=gateway,
        subnet6=subnet6,
        gateway6=gateway6,
        bridge=bridge,
        created=time.time(),
    )


def _taken(port: PublishedPort, holder: sqlite3.Row) -> errors.PortTaken:
    where = f"{port.host_ip or '*'}:{port.published}/{port.protocol}"
    message = f"port {where} is published by container {holder['container'][:12]} of stack {holder['stack']}"
    return errors.PortTaken(message, hint="Stop that one, or publish another port.")


def _insert_endpoint(connection: sqlite3.Connection, lease: EndpointLease) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO endpoints"
        " (container, network, stack, address, address6, interface, position, names, membership, is_active)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            lease.container_id,
            lease.network,
            lease.stack,
            lease.address,
            lease.address6,
            lease.interface,
            lease.position,
            json.dumps(lease.names),
            canonical.to_json(lease.membership),
            int(lease.is_active),
        ),
    )


def _insert_port(connection: sqlite3.Connection, lease: PortLease) -> None:
    asked = lease.asked
    connection.execute(
        "INSERT OR REPLACE INTO ports"
        " (container, stack, target, host_ip, protocol, first, last, published, is_active)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            lease.container_id,
            lease.stack,
            asked.target,
            asked.host_ip,
            asked.protocol,
            asked.published,
            asked.last,
            lease.published,
            int(lease.is_active),
        ),
    )


def _network_from(row: sqlite3.Row) -> NetworkLease:
    return NetworkLease(
        spec=canonical.from_json(NetworkSpec, row["spec"]),
        subnet=row["subnet"],
        gateway=row["gateway"],
        subnet6=row["subnet6"],
        gateway6=row["gateway6"],
        bridge=row["bridge"],
        created=row["created"],
    )


@functools.lru_cache(maxsize=4096)
def _membership_from(text: str) -> NetworkMembership:
    """Nearly all are the same few; a zone is made of every endpoint, again and again."""
    return canonical.from_json(NetworkMembership, text)


def _endpoint_from(row: sqlite3.Row) -> EndpointLease:
    return EndpointLease(
        container_id=row["container"],
        network=row["network"],
        stack=row["stack"],
        address=row["address"],
        address6=row["address6"],
        interface=row["interface"],
        position=row["position"],
        names=tuple(json.loads(row["names"])),
        membership=_membership_from(row["membership"]),
        is_active=bool(row["is_active"]),
    )


def _port_from(row: sqlite3.Row) -> PortLease:
    return PortLease(
        container_id=row["container"],
        stack=row["stack"],
        asked=PublishedPort(
            target=row["target"],
            published=row["first"],
            last=row["last"],
            host_ip=row["host_ip"],
            protocol=row["protocol"],
        ),
        published=row["published"],
        is_active=bool(row["is_active"]),
    )
