"""What a network and each attachment come to in the kernel: leases -> bridges, plugs, ways out.  Pure.

A container's default routes lead through the network of the highest ``gw_priority`` that has a way
out, by name among equals, each family by itself.  Its published ports come in the same way, so that
what was asked and what is answered take one road.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from composer.model import driveroptions, names
from composer.model.driveroptions import Gateway
from composer.model.stack import PublishedPort
from composer.network import addresses, links, ruleset
from composer.network.leases import EndpointLease, NetworkLease

EVERY = {4: ("", "0.0.0.0"), 6: ("", "::")}  # noqa: S104 -- compared, not bound
"""What ``host_ip`` may be for a port that is published on every address of a family."""

LOOPBACK6 = "::1"


def bridge_of(lease: NetworkLease) -> links.Bridge:
    """The bridge of a network, as it should be."""
    options = driveroptions.bridge_options(lease.spec.driver_opts)
    modes = ((4, lease.gateway), (6, lease.gateway6))
    own = tuple(
        (gateway, lease.prefix(version))
        for version, gateway in modes
        if gateway and options.gateway(version) is not Gateway.ISOLATED
    )
    return links.Bridge(
        name=lease.bridge,
        alias=f"{links.ALIAS} network {lease.spec.name}",
        mac=addresses.mac_of(lease.gateway or lease.gateway6),
        own=own,
        mtu=options.mtu,
        has_ipv6=bool(lease.subnet6),
    )


def guarded(lease: NetworkLease) -> ruleset.GuardedNetwork:
    """The network as the rules see it."""
    return ruleset.GuardedNetwork(
        bridge=lease.bridge,
        subnet=lease.subnet,
        subnet6=lease.subnet6,
        is_internal=lease.spec.internal,
        options=driveroptions.bridge_options(lease.spec.driver_opts),
    )


def plug_of(endpoint: EndpointLease, lease: NetworkLease, key: str, *, master: int) -> links.Plug:
    """How a container is attached to a network; ``key`` names the store, ``master`` is the bridge's index."""
    own = tuple(
        (address, lease.prefix(version))
        for version, address in ((4, endpoint.address), (6, endpoint.address6))
        if address
    )
    membership = endpoint.membership
    own += tuple(
        (address, 16 if addresses.version_of(address) == 4 else 64) for address in membership.link_local_ips
    )
    plain = links.Plug(
        link=names.veth_name(endpoint.container_id, endpoint.network, key),
        group=links.group_of(lease.bridge),
        interface=endpoint.interface,
        own=own,
        mac=links.mac_of(membership.mac_address, own),
        alias=f"{links.ALIAS} container {endpoint.container_id[:12]}",
        sysctls=driveroptions.endpoint_options(membership.driver_opts).sysctls,
    )
    if lease.is_bridge:
        options = driveroptions.bridge_options(lease.spec.driver_opts)
        return attrs.evolve(plain, master=master, mtu=options.mtu, is_isolated=not options.allows_neighbours)
    shared = driveroptions.parent_options(lease.spec.driver, lease.spec.driver_opts)
    return attrs.evolve(
        plain,
        kind=lease.spec.driver,
        parent=shared.parent,
        mode=shared.mode,
        flag=shared.flag,
        mtu=shared.mtu,
    )


def way_out(
    endpoints: Iterable[EndpointLease], networks: Mapping[str, NetworkLease], version: int
) -> EndpointLease | None:
    """The attachment that leads out for a family; ``None`` where none does."""
    candidates = [
        one
        for one in endpoints
        if (one.address if version == 4 else one.address6) and _leads_out(networks[one.network], version)
    ]
    return min(candidates, key=lambda one: (-one.membership.gw_priority, one.network), default=None)


def ways_out(
    endpoints: Sequence[EndpointLease], networks: Mapping[str, NetworkLease]
) -> tuple[links.WayOut, ...]:
    """The default routes of a container."""
    found = []
    for version in (4, 6):
        endpoint = way_out(endpoints, networks, version)
        if endpoint is None:
            continue
        lease = networks[endpoint.network]
        if _is_routed_by_link(lease):
            found.append(links.WayOut(version=version, interface=endpoint.interface))
        else:
            gateway = lease.gateway if version == 4 else lease.gateway6
            found.append(links.WayOut(version=version, gateway=gateway))
    return tuple(found)


def _leads_out(lease: NetworkLease, version: int) -> bool:
    if lease.spec.internal:
        return False
    if not lease.is_bridge:
        return True
    options = driveroptions.bridge_options(lease.spec.driver_opts)
    return options.gateway(version) is not Gateway.ISOLATED


def _is_routed_by_link(lease: NetworkLease) -> bool:
    """Whether the interface itself is the way: an ipvlan in layer 3 has no neighbours to ask."""
    if lease.is_bridge:
        return False
    return driveroptions.parent_options(lease.spec.driver, lease.spec.driver_opts).mode in ("l3", "l3s")


def forwarding(
    host_ip: str, published: int, protocol: str, target: int, *, address: str, lease: NetworkLease
) -> ruleset.Forwarding | None:
    """The rule's part of a published port towards one address; ``None`` where no rule can lead there."""
    version = addresses.version_of(address)
    options = driveroptions.bridge_options(lease.spec.driver_opts)
    if options.gateway(version) is Gateway.ISOLATED:
        return None
    is_translated = options.gateway(version) is not Gateway.ROUTED
    is_every = host_ip in EVERY[version]
    if not is_every and (addresses.version_of(host_ip) != version or not host_ip or host_ip == LOOPBACK6):
        return None
    return ruleset.Forwarding(
        host_ip="" if is_every else host_ip,
        published=published,
        protocol=protocol,
        address=address,
        target=target,
        is_translated=is_translated,
    )


def bound_ports(
    ports: Sequence[PublishedPort], endpoints: Sequence[EndpointLease], networks: Mapping[str, NetworkLease]
) -> tuple[PublishedPort, ...]:
    """The ports, bound where the network says when they do not (``host_binding_ipv4``).

    Networks whose interfaces are slices of the host's publish nothing: a container has its own address there.
    """
    bridged = [one for one in endpoints if networks[one.network].is_bridge]
    way = way_out(bridged, networks, 4) or way_out(bridged, networks, 6)
    if way is None:
        return ()
    binding = driveroptions.bridge_options(networks[way.network].spec.driver_opts).host_binding
    if not binding:
        return tuple(ports)
    return tuple(attrs.evolve(port, host_ip=port.host_ip or binding) for port in ports)


def address_inside(
    endpoints: Sequence[EndpointLease], networks: Mapping[str, NetworkLease], version: int
) -> str:
    """The container's address that its published ports of a family lead to; "" where there is none."""
    bridged = [one for one in endpoints if networks[one.network].is_bridge]
    way = way_out(bridged, networks, version)
    if way is None:
        return ""
    return way.address if version == 4 else way.address6
