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
from composer.model import names as derived
from composer.model.container import NetworkMembership, NetworkSpec
from composer.model.protocols import BuildNamespace, Endpoint, NamespaceHandle, NetworkState
from composer.model.stack import PublishedPort
from composer.network import addresses, firewall, foreign, links, reservation, ruleset
from composer.network.leases import BUILD, EndpointLease, Leases, NetworkLease, PortLease
from composer.network.zone import Zone, ZoneEntry, zone_of

if TYPE_CHECKING:
    from composer.host.database import Database
    from composer.host.paths import Paths

_FORWARD = "net/ipv4/ip_forward"
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
        self._held: dict[str, list[socket.socket]] = {}
        self._builds = 0
        self._inspector = firewall.Inspector()
        self.zone_version = 0
        """Grows with each change of this process to what ``zone`` answers."""

    # ------------------------------------------------------------------ networks

    def create(self, spec: NetworkSpec) -> NetworkState:
        """Lease a subnet, make the bridge and the stack's rules; idempotent (also the repair)."""
        bridge = derived.bridge_name(spec.name, self._key)
        with netlink.Netlink() as kernel:
            lease = self._lease(kernel, spec, bridge)
            sysctl.write(_FORWARD, "1")
            self._ensure_rules(spec.stack, is_doubted=True)
            self._raise_bridge(kernel, lease)
        firewall.open_forwarding(foreign.Opening(bridge=bridge, stack=spec.stack))
        self._route_loopback(spec.stack)
        self.zone_version += 1
        return _state_of(lease)

    def _lease(self, kernel: netlink.Netlink, spec: NetworkSpec, bridge: str) -> NetworkLease:
        if self._leases.network(spec.name) is not None:
            lease = self._leases.lease_network(spec, bridge, ())
            self._move_if_overlapped(kernel, lease)
            return self._leases.lease_network(spec, bridge, _foreign_subnets(kernel, bridge))
        with filelock.hold(_HOST_LOCK):
            lease = self._leases.lease_network(spec, bridge, _foreign_subnets(kernel, bridge))
            self._raise_bridge(kernel, lease)  # within the lock: its route is what others see
            return lease

    def _move_if_overlapped(self, kernel: netlink.Netlink, lease: NetworkLease) -> None:
        """A network without a bridge (after a reboot) whose subnet a route of the host covers now.

        An automatic subnet is given up, with the leases on it; a declared one is refused.
        """
        if kernel.link(lease.bridge) is not None:
            return
        taken = _foreign_subnets(kernel, lease.bridge)
        if not addresses.overlaps(lease.subnet, taken):
            return
        if lease.spec.subnet is not None:
            addresses.declared_subnet(lease.spec.name, lease.spec.subnet, taken)
        self._leases.forget_network(lease.spec.name)

    def _raise_bridge(self, kernel: netlink.Netlink, lease: NetworkLease) -> None:
        """Bridge with address, and the links of running containers back on it if it was deleted."""
        alias = f"{links.ALIAS} network {lease.spec.name}"
        index = links.ensure_bridge(kernel, lease.bridge, lease.gateway, lease.prefix, alias)
        for link in self._stray(kernel, lease):
            kernel.change([netlink.set_master(link.name, index)], tolerate=[errno.ENODEV])

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
        leases = self._leases.networks(stack)
        if not leases:
            return {}
        with netlink.Netlink() as kernel:
            present = {link.name: link for link in kernel.links()}
            here = kernel.addresses()
        forwards = sysctl.read(_FORWARD) == "1"
        rules = self._ruleset(stack, present.values())
        openings = tuple(foreign.Opening(bridge=lease.bridge, stack=stack) for lease in leases)
        rules_damage, blocked = self._inspector.look(stack, rules, openings)
        loopback = self._loopback_bridges(stack)
        states = {}
        for lease in leases:
            link = present.get(lease.bridge)
            if link is None or not links.is_ours(link, lease.bridge):
                damage = f"its bridge {lease.bridge} is gone"
            elif not link.is_up:
                damage = f"its bridge {lease.bridge} is down"
            elif not any(one.index == link.index and one.address == lease.gateway for one in here):
                damage = f"its bridge {lease.bridge} lost address {lease.gateway}"
            elif not forwards:
                damage = "forwarding is switched off (net.ipv4.ip_forward)"
            elif rules_damage:
                damage = rules_damage
            elif lease.bridge in blocked:
                damage = f"forwarding is blocked by {blocked[lease.bridge]}"
            elif lease.bridge in loopback and sysctl.read(_route_localnet(lease.bridge)) != "1":
                damage = "publishing on 127.0.0.1 is switched off (route_localnet)"
            else:
                damage = ""
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
            published = self._publish(container_id, stack, ports)
            namespace = self._make_namespace(endpoints)
            undo.callback(namespace.close)
            if published:
                self._ensure_rules(stack)
                self._route_loopback(stack)
            undo.pop_all()
        self.zone_version += 1
        return namespace, tuple(map(_endpoint_of, endpoints)), published

    def _make_namespace(self, endpoints: Sequence[EndpointLease]) -> netns.Namespace:
        with netlink.Netlink() as kernel:
            plugs, gateway = self._plugs(kernel, endpoints)

            def configure(descriptor: int) -> None:
                links.prepare_namespace()
                links.plug(kernel, plugs, descriptor)
                links.configure_inside(plugs, gateway, is_new=True)

            return netns.make(configure)

    def _plugs(
        self, kernel: netlink.Netlink, endpoints: Sequence[EndpointLease]
    ) -> tuple[list[links.Plug], str | None]:
        """What to plug in, and the default gateway: of the first network that has a way out."""
        plugs = []
        gateway = None
        for endpoint in endpoints:
            lease = self._network_of(endpoint)
            master = netlink.index_of(lease.bridge)
            if not master:
                self._raise_bridge(kernel, lease)
                master = netlink.index_of(lease.bridge)
            if gateway is None and not lease.spec.internal:
                gateway = lease.gateway
            plugs.append(
                links.Plug(
                    link=derived.veth_name(endpoint.container_id, endpoint.network, self._key),
                    group=links.group_of(lease.bridge),
                    master=master,
                    interface=endpoint.interface,
                    address=endpoint.address,
                    prefix=lease.prefix,
                    alias=f"{links.ALIAS} container {endpoint.container_id[:12]}",
                )
            )
        return plugs, gateway

    def _network_of(self, endpoint: EndpointLease) -> NetworkLease:
        lease = self._leases.network(endpoint.network)
        if lease is None:
            message = f"network {endpoint.network} does not exist"
            raise errors.NetworkFailure(message, hint="`composer up` makes it.")
        return lease

    def reconnect(self, container_id: str, pid: int, network: str) -> Endpoint:
        """Give a running container (first process ``pid``) its lost link back."""
        endpoints = self._leases.endpoints_of(container_id)
        endpoint = next((one for one in endpoints if one.network == network), None)
        if endpoint is None:
            message = f"container {container_id[:12]} has no lease on network {network}"
            raise errors.NetworkFailure(message)
        with ExitStack() as stack, netlink.Netlink() as kernel:
            descriptor = netns.open_of(pid)
            stack.callback(os.close, descriptor)
            plugs, _ = self._plugs(kernel, [endpoint])
            _, gateway = self._plugs(kernel, endpoints)
            is_way_out = gateway is not None and gateway == self._network_of(endpoint).gateway
            links.clear(kernel, plugs[0])

            def configure() -> None:
                links.plug(kernel, plugs, descriptor)
                links.configure_inside(plugs, gateway if is_way_out else None, is_new=False)

            netns.run_in(descriptor, configure)
        self._route_loopback(endpoint.stack)
        return _endpoint_of(endpoint)

    def links(self, stack: str) -> Mapping[str, frozenset[str]]:
        """For each container id the networks whose host-side link exists, on its bridge and up."""
        endpoints = [one for one in self._leases.endpoints_near(stack) if one.is_active]
        if not endpoints:
            return {}
        with netlink.Netlink() as kernel:
            present = {link.name: link for link in kernel.links()}
        found: dict[str, set[str]] = {}
        for endpoint in endpoints:
            link = present.get(derived.veth_name(endpoint.container_id, endpoint.network, self._key))
            bridge = present.get(derived.bridge_name(endpoint.network, self._key))
            if link is not None and bridge is not None and link.is_up and link.master == bridge.index:
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
        return tuple(_endpoint_of(one) for one in self._leases.endpoints_near(stack) if one.is_active)

    def zone(self, stack: str) -> Zone:
        """What DNS answers to the stack's containers."""
        entries = [
            ZoneEntry(
                container_id=one.container_id,
                network=one.network,
                address=one.address,
                names=one.names,
                is_active=one.is_active,
            )
            for one in self._leases.endpoints_near(stack)
        ]
        return zone_of(entries, self._leases.internal_networks())

    # ------------------------------------------------------------------ ports

    def published(self, container_id: str) -> tuple[PublishedPort, ...]:
        """The container's published ports with the host ports chosen."""
        return tuple(lease.port for lease in self._leases.ports_of(container_id) if lease.port.published)

    def reserve(self, stack: str) -> tuple[PublishedPort, ...]:
        """Hold the host ports of running containers after a former supervisor's death.

        Returns those that a program of the host has taken meanwhile; the rules still lead packets
        to the container.
        """
        self._sweep_builds()
        missed = []
        for lease in self._leases.active_ports(stack):
            if lease.container_id in self._held:
                continue
            try:
                _, holder = reservation.reserve(lease.port)
            except errors.ConflictError:
                missed.append(lease.port)
                continue
            self._hold(lease.container_id, holder)
        return tuple(missed)

    def _publish(
        self, container_id: str, stack: str, ports: Sequence[PublishedPort]
    ) -> tuple[PublishedPort, ...]:
        for port in ports:
            if ":" in port.host_ip:
                message = f"port {port}: composer's networks are IPv4, {port.host_ip} cannot be published on"
                raise errors.HostUnsupported(message, hint="Publish on an IPv4 address or on none.")
        if not ports:
            return ()
        self._let_go(container_id)
        leases = self._leases.lease_ports(container_id, stack, ports, is_plugged=self._is_plugged)
        return tuple(self._reserve(lease) for lease in leases)

    def _reserve(self, lease: PortLease) -> PublishedPort:
        try:
            chosen, holder = reservation.reserve(lease.port)
        except errors.PortTaken:
            if not lease.is_random:
                raise
            chosen, holder = reservation.reserve(attrs.evolve(lease.port, published=0))
        self._hold(lease.container_id, holder)
        if chosen != lease.port:
            self._leases.choose_port(lease, chosen)
        return chosen

    def _is_plugged(self, container_id: str) -> bool:
        return any(
            netlink.index_of(derived.veth_name(container_id, endpoint.network, self._key))
            for endpoint in self._leases.endpoints_of(container_id)
        )

    def _hold(self, container_id: str, holder: socket.socket | None) -> None:
        if holder is not None:
            with self._held_turn:
                self._held.setdefault(container_id, []).append(holder)

    def _let_go(self, container_id: str) -> None:
        with self._held_turn:
            holders = self._held.pop(container_id, [])
        for holder in holders:
            holder.close()

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

    def _load(self, stack: str, rules: ruleset.Ruleset, *, is_doubted: bool) -> None:
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
            ruleset.GuardedNetwork(bridge=lease.bridge, subnet=lease.subnet, is_internal=lease.spec.internal)
            for lease in self._leases.networks(stack)
            if lease.spec.name != without
        ]
        forwardings = [forwarding for forwarding, _ in self._forwardings(stack, without)]
        return ruleset.ruleset_for(
            derived.table_name(stack, self._key),
            networks,
            forwardings,
            fenced=foreign.fenced_bridges(kinds),
        )

    def _forwardings(self, stack: str, without: str = "") -> Iterator[tuple[ruleset.Forwarding, str]]:
        """Each active port with the bridge it leads to: that of the network with the default route."""
        networks: dict[str, NetworkLease | None] = {}
        done = set()
        for lease, endpoint in self._leases.ways(stack):
            if endpoint.network not in networks:
                networks[endpoint.network] = self._leases.network(endpoint.network)
            network = networks[endpoint.network]
            key = (lease.container_id, lease.port)
            if network is None or network.spec.internal or endpoint.network == without or key in done:
                continue
            done.add(key)
            forwarding = ruleset.Forwarding(
                host_ip=lease.port.host_ip,
                published=lease.port.published,
                protocol=lease.port.protocol,
                address=endpoint.address,
                target=lease.port.target,
            )
            yield forwarding, network.bridge

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
            sysctl.write(_FORWARD, "1")
            self._ensure_rules(stack)
            firewall.open_forwarding(foreign.Opening(bridge=link, stack="build"))
            return _BuildNamespace(namespace, gateway, undo.pop_all())

    def _make_build(self, spec: NetworkSpec, link: str) -> tuple[netns.Namespace, str]:
        """The namespace and the address of its gateway, which is this host."""
        with netlink.Netlink() as kernel, filelock.hold(_HOST_LOCK):
            lease = self._leases.lease_network(
                spec, link, _foreign_subnets(kernel, link), prefix=addresses.BUILD_PREFIX
            )
            plug = links.Plug(
                link=link,
                group=links.group_of(link),
                interface="eth0",
                address=addresses.free_address(spec.name, lease.subnet, lease.gateway, ()),
                prefix=lease.prefix,
                alias=f"{links.ALIAS} build of process {os.getpid()}",
                own_address=lease.gateway,
            )

            def configure(descriptor: int) -> None:
                links.prepare_namespace()
                links.plug(kernel, [plug], descriptor)
                links.configure_inside([plug], lease.gateway, is_new=True)

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


def _state_of(lease: NetworkLease) -> NetworkState:
    return NetworkState(spec=lease.spec, subnet=lease.subnet, gateway=lease.gateway, bridge=lease.bridge)


def _endpoint_of(lease: EndpointLease) -> Endpoint:
    return Endpoint(
        container_id=lease.container_id,
        network=lease.network,
        address=lease.address,
        interface=lease.interface,
        names=lease.names,
    )


def _foreign_subnets(kernel: netlink.Netlink, bridge: str) -> tuple[str, ...]:
    """Subnets that routes of the host lead to, but for those of one bridge of ours."""
    own = netlink.index_of(bridge)
    return tuple(route.subnet for route in kernel.routes() if not own or route.index != own)


def _route_localnet(bridge: str) -> str:
    return f"net/ipv4/conf/{bridge}/route_localnet"
