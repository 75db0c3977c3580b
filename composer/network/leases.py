"""Who has which subnet, address and host port: the tables ``networks``, ``endpoints``, ``ports``.

Each function is one transaction, exclusive against every other process of the store, so two stacks
that start at once never get the same.  A row is the intent: it is written before the kernel object
exists and deleted after that is gone.  ``is_active`` marks what a running container uses; an inactive
row keeps the address or port for the container's next start.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence

import attrs

from composer import errors
from composer.host.database import Database
from composer.model import canonical
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.stack import PublishedPort
from composer.network import addresses

BUILD = "build/"
"""Prefix of the pseudo-stacks of builds; no stack's name can have it."""


@attrs.frozen(kw_only=True)
class NetworkLease:
    """A recorded network."""

    spec: NetworkSpec
    subnet: str
    gateway: str
    bridge: str

    @property
    def prefix(self) -> int:
        """The length of the subnet's prefix."""
        return int(self.subnet.rpartition("/")[2])


@attrs.frozen(kw_only=True)
class EndpointLease:
    """A container's address on a network; its interface is ``eth<position>``."""

    container_id: str
    network: str
    stack: str
    address: str
    interface: str
    position: int
    names: tuple[str, ...]
    is_active: bool


@attrs.frozen(kw_only=True)
class PortLease:
    """A container's published port with the host port chosen (0 before the first choice)."""

    container_id: str
    stack: str
    port: PublishedPort
    is_random: bool
    is_active: bool


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
            taken = [*host_subnets, *(row["subnet"] for row in connection.execute("SELECT * FROM networks"))]
            if spec.subnet is None:
                subnet = addresses.free_subnet(taken, prefix=prefix)
            else:
                subnet = addresses.declared_subnet(spec.name, spec.subnet, taken)
            gateway = addresses.gateway_of(spec.name, subnet, spec.gateway)
            connection.execute(
                "INSERT INTO networks (name, stack, spec, subnet, gateway, bridge) VALUES (?, ?, ?, ?, ?, ?)",
                (spec.name, spec.stack, canonical.to_json(spec), subnet, gateway, bridge),
            )
            return NetworkLease(spec=spec, subnet=subnet, gateway=gateway, bridge=bridge)

    def network(self, name: str) -> NetworkLease | None:
        """One recorded network."""
        row = self._database.row("SELECT * FROM networks WHERE name = ?", (name,))
        return None if row is None else _network_from(row)

    def networks(self, stack: str) -> tuple[NetworkLease, ...]:
        """The networks that a stack owns, by name."""
        rows = self._database.rows("SELECT * FROM networks WHERE stack = ? ORDER BY name", (stack,))
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
        """An active address on each network, the former one where it suits; ``eth0`` is the first name.

        Raises ``NetworkFailure`` for a network that is not recorded, ``ConflictError`` when an address
        is taken or none is left.  The container's leases on other networks are dropped.
        """
        with self._database.transaction() as connection:
            former = {lease.network: lease for lease in self.endpoints_of(container_id)}
            for left in former.keys() - memberships.keys():
                connection.execute(
                    "DELETE FROM endpoints WHERE container = ? AND network = ?", (container_id, left)
                )
            leases = []
            for position, name in enumerate(sorted(memberships)):
                membership = memberships[name]
                network = self.network(name)
                if network is None:
                    message = f"network {name} does not exist"
                    raise errors.NetworkFailure(message, hint="`composer up` makes it.")
                address = self._address(connection, network, membership, former.get(name), container_id)
                lease = EndpointLease(
                    container_id=container_id,
                    network=name,
                    stack=stack,
                    address=address,
                    interface=f"eth{position}",
                    position=position,
                    names=tuple(dict.fromkeys([*names, *membership.aliases])),
                    is_active=True,
                )
                connection.execute(
                    "INSERT OR REPLACE INTO endpoints"
                    " (container, network, stack, address, interface, position, names, is_active)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
                    (container_id, name, stack, address, lease.interface, position, json.dumps(lease.names)),
                )
                leases.append(lease)
            return tuple(leases)

    def _address(
        self,
        connection: sqlite3.Connection,
        network: NetworkLease,
        membership: NetworkMembership,
        former: EndpointLease | None,
        container_id: str,
    ) -> str:
        name, subnet, gateway = network.spec.name, network.subnet, network.gateway
        others = {
            row["address"]: row
            for row in connection.execute(
                "SELECT * FROM endpoints WHERE network = ? AND container != ?", (name, container_id)
            )
        }
        wanted = membership.ipv4_address
        if wanted is None:
            if former is not None and addresses.overlaps(subnet, [f"{former.address}/32"]):
                return former.address
            return addresses.free_address(name, subnet, gateway, others)
        address = addresses.static_address(name, subnet, gateway, wanted)
        holder = others.get(address)
        if holder is not None and holder["is_active"]:
            message = f"network {name}: address {address} is used by container {holder['container'][:12]}"
            raise errors.ConflictError(message, hint="Static addresses are best taken from the upper end.")
        if holder is not None:  # kept for a container that does not run: it will get another one
            connection.execute("DELETE FROM endpoints WHERE network = ? AND address = ?", (name, address))
        return address

    def endpoints_of(self, container_id: str) -> tuple[EndpointLease, ...]:
        """A container's endpoints, ``eth0`` first."""
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
        """The container's ports, active; random ones keep the host port they had, 0 before they had one.

        Raises ``PortTaken`` when another container has one; ``is_plugged`` says whether a container
        that the records call active has a link at all (after a crash it need not).
        """
        with self._database.transaction() as connection:
            former = {
                _key(lease.port, is_random=lease.is_random): lease for lease in self.ports_of(container_id)
            }
            connection.execute("DELETE FROM ports WHERE container = ?", (container_id,))
            leases = []
            for port in ports:
                is_random = port.published == 0
                before = former.get(_key(port, is_random=is_random))
                chosen = before.port if before is not None else port
                self._check_free(connection, container_id, chosen, is_plugged)
                lease = PortLease(
                    container_id=container_id, stack=stack, port=chosen, is_random=is_random, is_active=True
                )
                _insert_port(connection, lease)
                leases.append(lease)
            return tuple(leases)

    def choose_port(self, lease: PortLease, chosen: PublishedPort) -> None:
        """Record the host port that a random one got."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM ports WHERE container = ? AND target = ? AND protocol = ? AND host_ip = ?"
                " AND published = ?",
                (
                    lease.container_id,
                    lease.port.target,
                    lease.port.protocol,
                    lease.port.host_ip,
                    lease.port.published,
                ),
            )
            _insert_port(connection, attrs.evolve(lease, port=chosen))

    def _check_free(
        self,
        connection: sqlite3.Connection,
        container_id: str,
        port: PublishedPort,
        is_plugged: Callable[[str], bool],
    ) -> None:
        if not port.published:
            return
        rows = connection.execute(
            "SELECT * FROM ports WHERE published = ? AND protocol = ? AND is_active = 1 AND container != ?",
            (port.published, port.protocol, container_id),
        ).fetchall()
        for row in rows:
            if port.host_ip and row["host_ip"] and port.host_ip != row["host_ip"]:
                continue
            if is_plugged(row["container"]):
                message = (
                    f"port {port.host_ip or '*'}:{port.published}/{port.protocol} is published by"
                    f" container {row['container'][:12]} of stack {row['stack']}"
                )
                raise errors.PortTaken(message, hint="Stop that one, or publish another port.")
            connection.execute("UPDATE ports SET is_active = 0 WHERE container = ?", (row["container"],))

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
        """Every active port of a stack with each endpoint of its container, ``eth0`` first.

        One query, because it is asked whenever the rules might change.
        """
        rows = self._database.rows(
            "SELECT ports.target, ports.host_ip, ports.published, ports.protocol, ports.is_random,"
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


def _key(port: PublishedPort, *, is_random: bool) -> tuple[object, ...]:
    return (port.target, port.protocol, port.host_ip, 0 if is_random else port.published)


def _insert_port(connection: sqlite3.Connection, lease: PortLease) -> None:
    port = lease.port
    connection.execute(
        "INSERT OR REPLACE INTO ports"
        " (container, stack, target, host_ip, published, protocol, is_random, is_active)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            lease.container_id,
            lease.stack,
            port.target,
            port.host_ip,
            port.published,
            port.protocol,
            int(lease.is_random),
            int(lease.is_active),
        ),
    )


def _network_from(row: sqlite3.Row) -> NetworkLease:
    return NetworkLease(
        spec=canonical.from_json(NetworkSpec, row["spec"]),
        subnet=row["subnet"],
        gateway=row["gateway"],
        bridge=row["bridge"],
    )


def _endpoint_from(row: sqlite3.Row) -> EndpointLease:
    return EndpointLease(
        container_id=row["container"],
        network=row["network"],
        stack=row["stack"],
        address=row["address"],
        interface=row["interface"],
        position=row["position"],
        names=tuple(json.loads(row["names"])),
        is_active=bool(row["is_active"]),
    )


def _port_from(row: sqlite3.Row) -> PortLease:
    return PortLease(
        container_id=row["container"],
        stack=row["stack"],
        port=PublishedPort(
            target=row["target"], published=row["published"], host_ip=row["host_ip"], protocol=row["protocol"]
        ),
        is_random=bool(row["is_random"]),
        is_active=bool(row["is_active"]),
    )
