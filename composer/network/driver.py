"""The network driver (``protocols.Network``) for the Linux kernel: leases, links and rules together.

Order of every change: the lease is recorded, then the kernel is changed, and in the other direction
the kernel first.  So a kill at any point leaves rows that name what may be there, and every call made
again puts it right.  Rules are computed from the rows, for the whole stack, and loaded as one
transaction only when they differ from what was loaded: calls that come together share one load.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from composer import errors
from composer.host import filelock, netlink, netns, process, sysctl
from composer.model import driveroptions
from composer.model import names as derived
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.protocols import BuildNamespace, Endpoint, NamespaceHandle, NetworkState
from composer.model.stack import PublishedPort
from composer.network import (
    addresses,
    attachment,
    fence,
    firewall,
    foreign,
    links,
    reservation,
    ruleset,
    soundness,
)
from composer.network.leases import BUILD, EndpointLease, Leases, NetworkLease, PortLease
from composer.network.zone import Zone, ZoneEntry, zone_of

if TYPE_CHECKING:
    from composer.host.database import Database
    from composer.host.paths import Paths

_HOST_LOCK = Path("/run/composer-network.lock")
"""Two stores see each other only in the kernel's routes: choosing a subnet is one at a time per host."""


class LinuxNetwork:
    """Bridges, links, addresses, published ports and rules of one store's stacks.

    Safe from several threads.  What it holds in memory (bound sockets, the generation of rules last
    loaded) only saves work or is made anew by ``reserve``.
    """

    def __init__(self, paths: Paths, database: Database) -> None:
        self._key = paths.key
        self._leases = Leases(database)
        self._rules_turn = threading.Lock()
        self._loaded: dict[str, str] = {}
        self._asked = itertools.count(1)
        self._last_asked = 0
        self._served: dict[str, int] = {}
        self._held_turn = threading.Lock()
        self._held: dict[str, list[_Held]] = {}
        self._builds = 0
        self._inspector = firewall.Inspector()
        self._fence = fence.Fence()
        self._guarded: set[str] = set()
        self.zone_version = 0
        """Grows with each change of this process to what ``zone`` answers."""

    # ------------------------------------------------------------------ networks

    def create(self, spec: NetworkSpec) -> NetworkState:
        """Lease subnets, make the bridge and the stack's rules; idempotent (also the repair)."""
        bridge = bridge_name(spec, self._key)
        if spec.driver != driveroptions.BRIDGE:
            return self._create_without_bridge(spec, bridge)
        with netlink.Netlink() as kernel:
            lease = self._lease(kernel, spec, bridge)
            soundness.let_forward(lease)
            self._ensure_rules(spec.stack, is_doubted=True)
            self._raise_bridge(kernel, lease)
        firewall.open_forwarding(_opening(lease))
        self._route_loopback(spec.stack)
        self.zone_version += 1
        return _state_of(lease)

    def _create_without_bridge(self, spec: NetworkSpec, bridge: str) -> NetworkState:
        """A network of slices of an interface: nothing but leases until a container comes."""
        parent = driveroptions.parent_options(spec.driver, spec.driver_opts).parent
        if not netlink.index_of(parent):
            message = f"network {spec.name}: this host has no network interface {parent}"
            raise errors.ConflictError(
                message, hint="`ip -brief link` lists them; correct driver_opts.parent."
            )
        lease = self._leases.lease_network(spec, bridge, ())
        self.zone_version += 1
        return _state_of(lease)

    def _lease(self, kernel: netlink.Netlink, spec: NetworkSpec, bridge: str) -> NetworkLease:
        if self._leases.network(spec.name) is not None:
            lease = self._leases.lease_network(spec, bridge, ())
            self._move_if_overlapped(kernel, lease)
            return self._leases.lease_network(spec, bridge, _foreign_subnets(kernel, bridge))
        with filelock.hold(_HOST_LOCK):
            lease = self._leases.lease_network(spec, bridge, _foreign_subnets(kernel, bridge))
            try:
                self._raise_bridge(kernel, lease)  # within the lock: its route is what others see
            except errors.ConflictError:
                self._leases.forget_network(spec.name)  # the interface is somebody else's: nothing was made
                raise
            return lease

    def _move_if_overlapped(self, kernel: netlink.Netlink, lease: NetworkLease) -> None:
        """A network without a bridge (after a reboot) whose subnet a route of the host covers now.

        An automatic subnet is given up, with the leases on it; a declared one is refused.
        """
        if kernel.link(lease.bridge) is not None:
            return
        taken = _foreign_subnets(kernel, lease.bridge)
        if not any(addresses.overlaps(subnet, taken) for subnet, _ in lease.subnets):
            return
        for pool in lease.spec.pools:
            if pool.subnet is not None:
                addresses.declared_subnet(lease.spec.name, pool.subnet, taken)
        self._leases.forget_network(lease.spec.name)

    def _raise_bridge(self, kernel: netlink.Netlink, lease: NetworkLease) -> int:
        """Bridge with addresses, and the links of running containers back on it if it was deleted."""
        index = links.ensure_bridge(kernel, attachment.bridge_of(lease))
        for link in self._stray(kernel, lease):
            kernel.change([netlink.set_master(link.name, index)], tolerate=[errno.ENODEV])
        return index

    def _stray(self, kernel: netlink.Netlink, lease: NetworkLease) -> tuple[netlink.Link, ...]:
        """Our links of this network's active endpoints that are on no bridge."""
        wanted = {
            derived.veth_name(endpoint.container_id, endpoint.network, self._key)
            for endpoint in self._leases.endpoints_on(lease.spec.name)
            if endpoint.is_active
        }
        if not wanted:
            return ()
        return tuple(
            link
            for link in kernel.links()
            if link.name in wanted and not link.master and links.is_ours(link, lease.bridge)
        )

    def remove(self, name: str) -> None:
        """Remove bridge, rules and lease; idempotent.

        Also what builds of dead processes left: ``down`` leaves the host as it was.  Raises
        ``ConflictError`` while another stack's container is connected.
        """
        self._sweep_builds()
        lease = self._leases.network(name)
        if lease is None:
            return
        with netlink.Netlink() as kernel:
            self._refuse_if_used(kernel, lease)
            bridge = kernel.link(lease.bridge)
        is_ours = bridge is None or links.is_ours(bridge, lease.bridge)
        self._forget(lease.spec.stack, name, bridge=lease.bridge if is_ours else "")
        self.zone_version += 1

    def _refuse_if_used(self, kernel: netlink.Netlink, lease: NetworkLease) -> None:
        present = {link.name for link in kernel.links()}
        for endpoint in self._leases.endpoints_on(lease.spec.name):
            link = derived.veth_name(endpoint.container_id, endpoint.network, self._key)
            if endpoint.is_active and endpoint.stack != lease.spec.stack and link in present:
                message = (
                    f"network {lease.spec.name} is used by container {endpoint.container_id[:12]}"
                    f" of stack {endpoint.stack}"
                )
                raise errors.ConflictError(message, hint=f"Take stack {endpoint.stack} down first.")

    def observe(self, stack: str) -> Mapping[str, NetworkState]:
        """The stack's recorded networks by name, each with its damage."""
        return self._observed(self._leases.networks(stack))

    def observe_foreign(self, stack: str, wanted: Iterable[str] = ()) -> Mapping[str, NetworkState]:
        """Other stacks' networks, with damage: those that this one's containers are on, and ``wanted``."""
        asked = map(self._leases.network, wanted)
        leases = [*self._leases.networks_used_by(stack), *(lease for lease in asked if lease is not None)]
        return self._observed({one.spec.name: one for one in leases if one.spec.stack != stack}.values())

    def observe_all(self) -> Mapping[str, NetworkState]:
        """Every network of the store, with damage."""
        return self._observed(self._leases.every_network())

    def _observed(self, leases: Iterable[NetworkLease]) -> dict[str, NetworkState]:
        wanted = tuple(leases)
        if not wanted:
            return {}
        with netlink.Netlink() as kernel:
            present = {link.name: link for link in kernel.links()}
            here = frozenset((one.index, one.address) for one in kernel.addresses())
        by_stack: dict[str, list[NetworkLease]] = {}
        for lease in wanted:
            by_stack.setdefault(lease.spec.stack, []).append(lease)
        states = {}
        for stack, owned in by_stack.items():
            rules = self._ruleset(stack, present.values())
            openings = tuple(_opening(lease) for lease in owned if lease.is_bridge)
            rules_damage, blocked = self._inspector.look(stack, rules, openings)
            loopback = self._loopback_bridges(stack)
            for lease in owned:
                link = present.get(lease.bridge)
                damage = (
                    soundness.of_link(lease, link, here)
                    or soundness.of_forwarding(lease)
                    or rules_damage
                    or (
                        f"forwarding is blocked by {blocked[lease.bridge]}" if lease.bridge in blocked else ""
                    )
                )
                is_loopback = lease.bridge in loopback and sysctl.read(_route_localnet(lease.bridge)) != "1"
                if not damage and is_loopback:
                    damage = "publishing on 127.0.0.1 is switched off (route_localnet)"
                if not lease.is_bridge:
                    damage = soundness.of_parent(lease, present)
                states[lease.spec.name] = attrs.evolve(_state_of(lease), damage=damage)
        return states

    # ------------------------------------------------------------------ containers

    def connect(
        self,
        container_id: str,
        memberships: Mapping[str, NetworkMembership],
        names: Sequence[str],
        ports: Sequence[PublishedPort],
        *,
        stack: str,
    ) -> tuple[NamespaceHandle, tuple[Endpoint, ...], tuple[PublishedPort, ...]]:
        """Make a namespace with one link per network; see ``protocols.Network``."""
        with ExitStack() as undo:
            undo.callback(self.disconnect, container_id)
            endpoints = self._leases.lease_endpoints(container_id, stack, memberships, names)
            networks = self._networks_of(endpoints)
            published = self._publish(container_id, stack, attachment.bound_ports(ports, endpoints, networks))
            namespace = self._make_namespace(endpoints, networks)
            undo.callback(namespace.close)
            if published:
                self._ensure_rules(stack)
                self._route_loopback(stack)
            undo.pop_all()
        self.zone_version += 1
        return namespace, tuple(_endpoint_of(one, networks[one.network]) for one in endpoints), published

    def _make_namespace(
        self, endpoints: Sequence[EndpointLease], networks: Mapping[str, NetworkLease]
    ) -> netns.Namespace:
        with netlink.Netlink() as kernel:
            plugs = self._plugs(kernel, endpoints, networks)
            ways = attachment.ways_out(endpoints, networks)

            def configure(descriptor: int) -> None:
                links.prepare_namespace()
                links.plug(kernel, plugs, descriptor)
                links.configure_inside(plugs, ways, is_new=True)

            return netns.make(configure)

    def _plugs(
        self,
        kernel: netlink.Netlink,
        endpoints: Iterable[EndpointLease],
        networks: Mapping[str, NetworkLease],
    ) -> list[links.Plug]:
        """What to plug in, onto bridges that are there for sure."""
        plugs = []
        for endpoint in endpoints:
            lease = networks[endpoint.network]
            master = 0
            if lease.is_bridge:
                master = netlink.index_of(lease.bridge) or self._raise_bridge(kernel, lease)
            plugs.append(attachment.plug_of(endpoint, lease, self._key, master=master))
        return plugs

    def _networks_of(self, endpoints: Iterable[EndpointLease]) -> dict[str, NetworkLease]:
        found = {}
        for endpoint in endpoints:
            lease = self._leases.network(endpoint.network)
            if lease is None:
                message = f"network {endpoint.network} does not exist"
                raise errors.NetworkFailure(message, hint="`composer up` makes it.")
            found[endpoint.network] = lease
        return found

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
        """Put a running container on one more network; its ports and default routes follow."""
        with ExitStack() as undo:
            undo.callback(self.detach, container_id, pid, network)
            self._leases.lease_endpoint(container_id, stack, network, membership, names)
            endpoint = self._plug_in(container_id, pid, network)
            undo.pop_all()
        self._follow(stack)
        return endpoint

    def detach(self, container_id: str, pid: int, network: str) -> None:
        """Take a container off a network; idempotent.  ``pid`` is 0 for one that does not run."""
        endpoints = self._leases.endpoints_of(container_id)
        endpoint = next((one for one in endpoints if one.network == network), None)
        if endpoint is None:
            return
        rest = [one for one in endpoints if one is not endpoint]
        networks = self._networks_of(rest)
        if pid:
            descriptor = netns.open_of(pid)
            try:
                netns.run_in(descriptor, lambda: links.unplug_inside(endpoint.interface))
                netns.run_in(descriptor, lambda: links.route_inside(attachment.ways_out(rest, networks)))
            finally:
                os.close(descriptor)
        self._leases.forget_endpoint(container_id, network)
        self._follow(endpoint.stack)

    def _follow(self, stack: str) -> None:
        """Rules and names after an attachment came or went."""
        self._ensure_rules(stack)
        self._route_loopback(stack)
        self.zone_version += 1

    def reconnect(self, container_id: str, pid: int, network: str) -> Endpoint:
        """Give a running container (first process ``pid``) its lost link back."""
        endpoint = self._plug_in(container_id, pid, network)
        stacks = {one.stack for one in self._leases.endpoints_of(container_id)}
        for stack in stacks:
            self._route_loopback(stack)
        return endpoint

    def _plug_in(self, container_id: str, pid: int, network: str) -> Endpoint:
        """Make the leased link of a running container, in place of what may be left of a former one."""
        endpoints = self._leases.endpoints_of(container_id)
        endpoint = next((one for one in endpoints if one.network == network), None)
        if endpoint is None:
            message = f"container {container_id[:12]} has no lease on network {network}"
            raise errors.NetworkFailure(message)
        networks = self._networks_of(endpoints)
        with ExitStack() as stack, netlink.Netlink() as kernel:
            descriptor = netns.open_of(pid)
            stack.callback(os.close, descriptor)
            plugs = self._plugs(kernel, [endpoint], networks)
            ways = attachment.ways_out(endpoints, networks)
            links.clear(kernel, plugs[0])

            def configure() -> None:
                links.unplug_inside(endpoint.interface)
                links.plug(kernel, plugs, descriptor)
                links.configure_inside(plugs, (), is_new=False)
                links.route_inside(ways)

            netns.run_in(descriptor, configure)
        return _endpoint_of(endpoint, networks[network])

    def links(self, stack: str) -> Mapping[str, frozenset[str]]:
        """For each container id the networks whose host-side link exists, on its bridge and up."""
        endpoints = [one for one in self._leases.endpoints_near(stack) if one.is_active]
        if not endpoints:
            return {}
        leases = {name: self._leases.network(name) for name in {one.network for one in endpoints}}
        with netlink.Netlink() as kernel:
            present = {link.name: link for link in kernel.links()}
        found: dict[str, set[str]] = {}
        for endpoint in endpoints:
            link = present.get(derived.veth_name(endpoint.container_id, endpoint.network, self._key))
            lease = leases.get(endpoint.network)
            bridge = present.get(lease.bridge) if lease is not None else None
            is_slice = lease is not None and not lease.is_bridge  # it has no end on the host to look at
            is_on_bridge = (
                link is not None and bridge is not None and link.is_up and link.master == bridge.index
            )
            if is_slice or is_on_bridge:
                found.setdefault(endpoint.container_id, set()).add(endpoint.network)
        return {container: frozenset(networks) for container, networks in found.items()}

    def disconnect(self, container_id: str) -> None:
        """The container stopped: drop its rules, keep its leases.

        Its links vanish with its namespace; deleting them here would cost 20 ms each.
        """
        stacks = {lease.stack for lease in self._leases.ports_of(container_id)}
        had_ports = self._leases.deactivate(container_id)
        self._let_go(container_id)
        if had_ports:
            for stack in stacks:
                self._ensure_rules(stack)
        self.zone_version += 1

    def release_container(self, container_id: str) -> None:
        """The container is removed: drop its leases as well."""
        self._leases.release(container_id)
        self._let_go(container_id)
        self.zone_version += 1

    def rename(self, container_id: str, old: str, new: str) -> None:
        """Let DNS know a container by another name."""
        self._leases.rename(container_id, old, new)
        self.zone_version += 1

    def endpoints(self, stack: str) -> Sequence[Endpoint]:
        """Every endpoint in use on the networks that the stack owns or takes part in."""
        endpoints = [one for one in self._leases.endpoints_near(stack) if one.is_active]
        networks = {name: self._leases.network(name) for name in {one.network for one in endpoints}}
        return tuple(_endpoint_of(one, networks[one.network]) for one in endpoints)

    def zone(self, stack: str) -> Zone:
        """What DNS answers to the stack's containers."""
        entries = [
            ZoneEntry(
                container_id=one.container_id,
                network=one.network,
                address=one.address,
                address6=one.address6,
                names=one.names,
                links=one.membership.links,
                is_active=one.is_active,
            )
            for one in self._leases.endpoints_near(stack)
        ]
        return zone_of(entries, self._leases.internal_networks())

    # ------------------------------------------------------------------ ports

    def published(self, container_id: str) -> tuple[PublishedPort, ...]:
        """The container's published ports with the host ports chosen."""
        return tuple(lease.port for lease in self._leases.ports_of(container_id) if lease.port.published)

    def relayed(self, container_id: str) -> tuple[Relayed, ...]:
        """What the supervisor must carry itself: IPv6 sockets, each with the address that it leads to."""
        endpoints = self._leases.endpoints_of(container_id)
        networks = self._networks_of(endpoints)
        goals = [attachment.address_inside(endpoints, networks, version) for version in (6, 4)]
        goal = next((address for address in goals if address), "")
        if not goal:
            return ()
        with self._held_turn:
            held = tuple(self._held.get(container_id, ()))
        return tuple(
            Relayed(socket=one.holder, protocol=one.port.protocol, address=goal, target=one.port.target)
            for one in held
            if one.holder.family == socket.AF_INET6 and one.port.protocol in ("tcp", "udp")
        )

    def reserve(self, stack: str) -> tuple[PublishedPort, ...]:
        """Hold the host ports of running containers after a former supervisor's death.

        Returns those that a program of the host has taken meanwhile; the rules still lead packets
        to the container.
        """
        self._sweep_builds()
        missed = []
        for lease in self._leases.active_ports(stack):
            if any(one.port == lease.port for one in self._held.get(lease.container_id, ())):
                continue
            try:
                _, holders = reservation.reserve(lease.port)
            except errors.ConflictError:
                missed.append(lease.port)
                continue
            self._hold(lease.container_id, lease.port, holders)
        return tuple(missed)

    def _publish(
        self, container_id: str, stack: str, ports: Sequence[PublishedPort]
    ) -> tuple[PublishedPort, ...]:
        if not ports:
            return ()
        self._let_go(container_id)
        leases = self._leases.lease_ports(container_id, stack, ports, is_plugged=self._is_plugged)
        return tuple(self._reserve(lease) for lease in leases)

    def _reserve(self, lease: PortLease) -> PublishedPort:
        """Hold the port that it had, or that it must have, or choose one."""
        if lease.published:
            try:
                _, holders = reservation.reserve(lease.port)
            except errors.PortTaken:
                if lease.asked.is_settled:
                    raise
            else:
                self._hold(lease.container_id, lease.port, holders)
                return lease.port
        return self._choose(lease)

    def _choose(self, lease: PortLease) -> PublishedPort:
        """A port of the range, or any: the first that neither a program nor a container has."""
        asked = lease.asked
        numbers: Iterable[int] = (
            range(asked.published, asked.last + 1) if asked.last else itertools.repeat(0, 64)
        )
        for number in numbers:
            wanted = attrs.evolve(asked, published=number, last=0)
            try:
                chosen, holders = reservation.reserve(wanted)
            except errors.PortTaken:
                continue
            if self._leases.choose_port(lease, chosen, is_plugged=self._is_plugged):
                port = attrs.evolve(wanted, published=chosen)
                self._hold(lease.container_id, port, holders)
                return port
            for holder in holders:
                holder.close()
        message = f"port {asked}: every port of it is taken"
        raise errors.PortTaken(message, hint="Publish a wider range, or stop what holds them.")

    def _is_plugged(self, container_id: str) -> bool:
        return any(
            netlink.index_of(derived.veth_name(container_id, endpoint.network, self._key))
            for endpoint in self._leases.endpoints_of(container_id)
        )

    def _hold(self, container_id: str, port: PublishedPort, holders: Iterable[socket.socket]) -> None:
        with self._held_turn:
            self._held.setdefault(container_id, []).extend(
                _Held(port=port, holder=holder) for holder in holders
            )

    def _let_go(self, container_id: str) -> None:
        with self._held_turn:
            held = self._held.pop(container_id, [])
        for one in held:
            one.holder.close()

    # ------------------------------------------------------------------ rules

    def _forget(self, stack: str, network: str, *, bridge: str) -> None:
        """Remove a network's links and rules, then its row, in one turn.

        Nobody can load rules from the row between the two and leave a table that no row names.  Links
        and rules go at once, in two threads: the kernel waits for a grace period with each.
        """
        failures: list[errors.ComposerError] = []
        with self._rules_turn:
            with netlink.Netlink() as kernel:
                rules = self._ruleset(stack, kernel.links(), without=network)
            beside = threading.Thread(target=_remove_links, args=(bridge, failures))
            beside.start()
            try:
                if bridge:
                    firewall.close_forwarding(bridge)
                self._load(stack, rules, is_doubted=False)
            finally:
                beside.join()
            if failures:
                raise failures[0]
            self._leases.forget_network(network)

    def _ensure_rules(self, stack: str, *, is_doubted: bool = False) -> None:
        """Load the stack's rules if they differ from what was loaded (``is_doubted``: from the kernel).

        Whoever has the turn serves all who asked before it looked at the rows, so that containers
        that start together cost few transactions, each of some 15 ms.
        """
        ticket = self._last_asked = next(self._asked)
        with self._rules_turn:
            if not is_doubted and self._served.get(stack, 0) >= ticket:
                return
            last_asked = self._last_asked
            with netlink.Netlink() as kernel:
                rules = self._ruleset(stack, kernel.links())
            self._load(stack, rules, is_doubted=is_doubted)
            self._served[stack] = last_asked

    def stand_guard(self, stack: str) -> None:
        """From now on guard the stack's networks also while its rules are flushed; for its supervisor."""
        self._guarded.add(stack)
        with self._rules_turn, netlink.Netlink() as kernel:
            self._fence.put(self._ruleset(stack, kernel.links()))

    def _load(self, stack: str, rules: ruleset.Ruleset, *, is_doubted: bool) -> None:
        self._load_table(stack, rules, is_doubted=is_doubted)
        if stack in self._guarded:  # another stack's fence is its own supervisor's
            self._fence.put(rules)

    def _load_table(self, stack: str, rules: ruleset.Ruleset, *, is_doubted: bool) -> None:
        former = self._loaded.get(stack, "")
        if rules.is_empty:
            firewall.remove(rules.table)
            self._loaded.pop(stack, None)
            return
        if former == rules.generation and not is_doubted:
            return
        if is_doubted or not former:
            former = ""
            if not firewall.damage_of(rules):
                self._loaded[stack] = rules.generation
                return
        self._loaded.pop(stack, None)
        firewall.apply(rules, former=former)
        self._loaded[stack] = rules.generation

    def _ruleset(self, stack: str, present: Iterable[netlink.Link], *, without: str = "") -> ruleset.Ruleset:
        kinds = {link.name: link.kind for link in present}
        networks = [
            attachment.guarded(lease)
            for lease in self._leases.networks(stack)
            if lease.is_bridge and lease.spec.name != without
        ]
        forwardings = [forwarding for forwarding, _ in self._forwardings(stack, without)]
        return ruleset.ruleset_for(
            derived.table_name(stack, self._key),
            networks,
            forwardings,
            fenced=foreign.fenced_bridges(kinds),
        )

    def _forwardings(self, stack: str, without: str = "") -> Iterator[tuple[ruleset.Forwarding, str]]:
        """Each active port with the bridge it leads to, for each family: where the default route goes."""
        ways: dict[PortLease, list[EndpointLease]] = {}
        networks: dict[str, NetworkLease] = {}
        for port, endpoint in self._leases.ways(stack):
            if endpoint.network == without:
                continue
            if endpoint.network not in networks:
                lease = self._leases.network(endpoint.network)
                if lease is None:
                    continue
                networks[endpoint.network] = lease
            ways.setdefault(port, []).append(endpoint)
        for port, endpoints in ways.items():
            bridged = [one for one in endpoints if networks[one.network].is_bridge]
            for version in (4, 6):
                way = attachment.way_out(bridged, networks, version)
                if way is None:
                    continue
                forwarding = attachment.forwarding(
                    port.port.host_ip,
                    port.published,
                    port.port.protocol,
                    port.port.target,
                    address=way.address if version == 4 else way.address6,
                    lease=networks[way.network],
                )
                if forwarding is not None:
                    yield forwarding, networks[way.network].bridge

    def _loopback_bridges(self, stack: str) -> frozenset[str]:
        return frozenset(
            bridge for forwarding, bridge in self._forwardings(stack) if forwarding.needs_loopback_route
        )

    def _route_loopback(self, stack: str) -> None:
        """Let packets from 127.0.0.1 reach bridges with such ports (the rules guard what that opens)."""
        for bridge in self._loopback_bridges(stack):
            sysctl.write_if_known(_route_localnet(bridge), "1")

    # ------------------------------------------------------------------ builds

    def build_namespace(self) -> BuildNamespace:
        """A namespace with a way out for RUN steps; ``close`` removes everything of it.

        One pair without a bridge: the link dies with the namespace, so a kill leaves only a table
        and a row, which the next build, adoption or ``down`` removes.
        """
        self._sweep_builds()
        with self._rules_turn:
            self._builds += 1
            number = self._builds
        identity = process.identity_of(os.getpid())
        started = identity.start_time if identity else 0
        stack = f"{BUILD}{os.getpid()}/{started}/{number}"
        link = derived.bridge_name(stack, self._key)
        spec = NetworkSpec(stack=stack, key="", name=stack)
        with ExitStack() as undo:
            undo.callback(self._remove_build, stack, link)
            namespace, gateway = self._make_build(spec, link)
            undo.callback(namespace.close)
            sysctl.write(soundness.FORWARD, "1")
            self._ensure_rules(stack)
            firewall.open_forwarding(foreign.Opening(bridge=link, stack="build", versions=(4,)))
            return _BuildNamespace(namespace, gateway, undo.pop_all())

    def _make_build(self, spec: NetworkSpec, link: str) -> tuple[netns.Namespace, str]:
        """The namespace and the address of its gateway, which is this host."""
        with netlink.Netlink() as kernel, filelock.hold(_HOST_LOCK):
            lease = self._leases.lease_network(
                spec, link, _foreign_subnets(kernel, link), prefix=addresses.BUILD_PREFIX
            )
            block = lease.block(4)
            assert block is not None  # a build's network is IPv4
            own = ((addresses.free_address(block, ()), lease.prefix(4)),)
            plug = links.Plug(
                link=link,
                group=links.group_of(link),
                interface="eth0",
                own=own,
                mac=links.mac_of(None, own),
                alias=f"{links.ALIAS} build of process {os.getpid()}",
                host_own=(lease.gateway, lease.prefix(4)),
            )
            ways = [links.WayOut(version=4, gateway=lease.gateway)]

            def configure(descriptor: int) -> None:
                links.prepare_namespace()
                links.plug(kernel, [plug], descriptor)
                links.configure_inside([plug], ways, is_new=True)

            return netns.make(configure), lease.gateway

    def _remove_build(self, stack: str, link: str) -> None:
        firewall.close_forwarding(link)
        self._forget(stack, stack, bridge="")

    def _sweep_builds(self) -> None:
        """Remove what builds of dead processes left."""
        for stack in self._leases.build_stacks():
            pid, started, _number = stack.removeprefix(BUILD).split("/")
            identity = process.identity_of(int(pid))
            if identity is None or identity.start_time != int(started):
                link = derived.bridge_name(stack, self._key)
                with netlink.Netlink() as kernel:  # a step that outlived its builder keeps it alive
                    links.remove_network(kernel, link)
                self._remove_build(stack, link)


class _BuildNamespace:
    """A build's namespace; closing it removes link, rules and lease, once."""

    def __init__(self, namespace: netns.Namespace, gateway: str, undo: ExitStack) -> None:
        self.path = namespace.path
        self.gateway = gateway
        self._undo = undo

    def close(self) -> None:
        """Remove everything of it."""
        self._undo.close()


def _remove_links(bridge: str, failures: list[errors.ComposerError]) -> None:
    if not bridge:
        return  # somebody else's link has our name: leave it
    try:
        with netlink.Netlink() as kernel:
            links.remove_network(kernel, bridge)
    except errors.ComposerError as error:
        failures.append(error)


@attrs.frozen(kw_only=True)
class Relayed:
    """A socket whose callers are led to ``target`` at ``address`` by a program: no rule can do it."""

    socket: socket.socket
    protocol: str
    address: str
    target: int


@attrs.frozen(kw_only=True)
class _Held:
    """A socket that keeps a published port from others."""

    port: PublishedPort
    holder: socket.socket


def bridge_name(spec: NetworkSpec, key: str) -> str:
    """The bridge's name: as the options say, else derived; for other drivers it only stands for them."""
    if spec.driver == driveroptions.BRIDGE:
        asked = driveroptions.bridge_options(spec.driver_opts).name
        if asked:
            return asked
    return derived.bridge_name(spec.name, key)


def _opening(lease: NetworkLease) -> foreign.Opening:
    versions = tuple(addresses.version_of(subnet) for subnet, _ in lease.subnets)
    return foreign.Opening(bridge=lease.bridge, stack=lease.spec.stack, versions=versions)


def _state_of(lease: NetworkLease) -> NetworkState:
    return NetworkState(
        spec=lease.spec,
        subnet=lease.subnet,
        gateway=lease.gateway,
        subnet6=lease.subnet6,
        gateway6=lease.gateway6,
        bridge=lease.bridge,
        created=lease.created,
    )


def _endpoint_of(lease: EndpointLease, network: NetworkLease | None) -> Endpoint:
    own = tuple((address, 0) for address in (lease.address, lease.address6) if address)
    return Endpoint(
        container_id=lease.container_id,
        network=lease.network,
        address=lease.address,
        address6=lease.address6,
        mac=links.mac_of(lease.membership.mac_address, own).hex(":"),
        interface=lease.interface,
        names=lease.names,
        gateway=_own_address(network) if network is not None else "",
    )


def _own_address(network: NetworkLease) -> str:
    own = attachment.bridge_of(network).own if network.is_bridge else ()
    return own[0][0] if own else ""


def _foreign_subnets(kernel: netlink.Netlink, bridge: str) -> tuple[str, ...]:
    """Subnets that routes of the host lead to, but for those of one bridge of ours."""
    own = netlink.index_of(bridge)
    return tuple(route.subnet for route in kernel.routes() if not own or route.index != own)


def _route_localnet(bridge: str) -> str:
    return f"net/ipv4/conf/{bridge}/route_localnet"
