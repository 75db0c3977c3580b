"""``driver_opts`` of networks as typed values: the options of Docker's drivers that mean something here.

The names are Docker's (docs.docker.com, "Bridge network driver", "Macvlan", "IPvlan"), so that stack files
keep working.  An option that is not known is an error: what it was meant to do would not happen.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Mapping

import attrs

BRIDGE, MACVLAN, IPVLAN = "bridge", "macvlan", "ipvlan"
DRIVERS = (BRIDGE, MACVLAN, IPVLAN)

LINK_NAME = re.compile(r"[^\s/:]{1,15}")
"""What the kernel lets an interface be called (``dev_valid_name``, net/core/dev.c)."""

_SMALLEST_MTU, _SMALLEST_MTU6, _LARGEST_MTU = 68, 1280, 65535
_WORDS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}

ENDPOINT_IFNAME = "com.docker.network.endpoint.ifname"
ENDPOINT_SYSCTLS = "com.docker.network.endpoint.sysctls"
_SYSCTL = re.compile(r"net\.(?:ipv4|ipv6|mpls)\.(?:conf|neigh|input)\.IFNAME\.[a-z0-9_]+", re.ASCII)


class Gateway(enum.Enum):
    """What a bridge network does with packets between its containers and the world (``gateway_mode``)."""

    NAT = "nat"
    """Out with the host's address, in by published ports only."""

    UNPROTECTED = "nat-unprotected"
    """As ``NAT``, but every port of a container may be reached at its own address."""

    ROUTED = "routed"
    """No translation: a published port is reached at the container's own address."""

    ISOLATED = "isolated"
    """The host has no address on the bridge (``internal`` networks)."""


@attrs.frozen(kw_only=True)
class BridgeOptions:
    """The options of a bridge network; "" and 0 are the defaults."""

    name: str = ""
    mtu: int = 0
    prefix: str = "eth"
    host_binding: str = ""
    allows_neighbours: bool = True
    masquerades: bool = True
    gateway4: Gateway = Gateway.NAT
    gateway6: Gateway = Gateway.NAT
    source4: str = ""
    source6: str = ""

    def gateway(self, version: int) -> Gateway:
        """The mode of one family."""
        return self.gateway4 if version == 4 else self.gateway6


@attrs.frozen(kw_only=True)
class ParentOptions:
    """The options of a network whose interfaces are slices of one of the host's (macvlan, ipvlan)."""

    parent: str = ""
    mode: str = ""
    flag: str = ""
    mtu: int = 0
    prefix: str = "eth"


@attrs.frozen(kw_only=True)
class EndpointOptions:
    """``driver_opts`` of one attachment: a name, and sysctls of the interface (``IFNAME`` stands for it)."""

    interface: str = ""
    sysctls: Mapping[str, str] = attrs.field(factory=dict)


def bridge_options(options: Mapping[str, str]) -> BridgeOptions:
    """The options of a bridge network; raises ``ValueError`` with a sentence."""
    return BridgeOptions(**_parsed(options, _BRIDGE, BRIDGE))  # type: ignore[arg-type]


def parent_options(driver: str, options: Mapping[str, str]) -> ParentOptions:
    """The options of a macvlan or ipvlan network; raises ``ValueError`` with a sentence."""
    found = ParentOptions(**_parsed(options, _MACVLAN if driver == MACVLAN else _IPVLAN, driver))  # type: ignore[arg-type]
    if not found.parent:
        message = f"a {driver} network needs the interface of the host that it shares (parent)"
        raise ValueError(message)
    return found


def check(driver: str, options: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for options that the driver does not know or take."""
    if driver == BRIDGE:
        bridge_options(options)
    else:
        parent_options(driver, options)


def endpoint_options(options: Mapping[str, str]) -> EndpointOptions:
    """The options of one attachment; raises ``ValueError`` with a sentence."""
    interface, sysctls = "", {}
    for name, value in options.items():
        if name == ENDPOINT_IFNAME:
            interface = _link(value)
        elif name == ENDPOINT_SYSCTLS:
            for pair in filter(None, value.split(",")):
                key, equals, setting = pair.partition("=")
                if not equals or not _SYSCTL.fullmatch(key):
                    message = f"{pair!r} is no sysctl of the interface, write net.ipv4.conf.IFNAME.NAME=VALUE"
                    raise ValueError(message)
                sysctls[key] = setting
        else:
            message = f"unknown option {name!r} of an attachment"
            raise ValueError(message)
    return EndpointOptions(interface=interface, sysctls=sysctls)


def mac_address(text: str) -> bytes:
    """A hardware address of one interface; raises ``ValueError``."""
    words = re.split(r"[:-]", text)
    if len(words) != 6 or not all(re.fullmatch(r"[0-9a-fA-F]{2}", word) for word in words):
        message = f"{text!r} is no hardware address"
        raise ValueError(message)
    packed = bytes.fromhex("".join(words))
    if packed[0] & 1 or not any(packed):
        message = f"{text!r} is not the address of one interface"
        raise ValueError(message)
    return packed


def _parsed(
    options: Mapping[str, str], table: Mapping[str, tuple[str, Callable[[str], object]]], driver: str
) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in options.items():
        if name in _MEANINGLESS:
            continue
        if name not in table:
            message = f"unknown option {name!r} of the {driver} driver"
            raise ValueError(message)
        field, read = table[name]
        try:
            found[field] = read(value)
        except ValueError as error:
            message = f"option {name}: {error}"
            raise ValueError(message) from error
    return found


def _flag(text: str) -> bool:
    word = _WORDS.get(text.lower())
    if word is None:
        message = f"{text!r} is neither true nor false"
        raise ValueError(message)
    return word


def _mtu(text: str) -> int:
    if not text.isdecimal() or not (text == "0" or _SMALLEST_MTU <= int(text) <= _LARGEST_MTU):
        message = f"{text!r} is no MTU between {_SMALLEST_MTU} and {_LARGEST_MTU}"
        raise ValueError(message)
    return int(text)


def _link(text: str) -> str:
    if not LINK_NAME.fullmatch(text) or text in (".", ".."):
        message = f"{text!r} is no name of an interface (1 to 15 characters)"
        raise ValueError(message)
    return text


def _prefix(text: str) -> str:
    return _link(f"{text}0")[:-1]


def _gateway(text: str) -> Gateway:
    try:
        return Gateway(text or Gateway.NAT.value)
    except ValueError:
        message = f"{text!r} is none of {', '.join(mode.value for mode in Gateway)}"
        raise ValueError(message) from None


def _address(version: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text and ipaddress.ip_address(text).version != version:
            message = f"{text} is no IPv{version} address"
            raise ValueError(message)
        return text

    return read


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text and text not in words:
            message = f"{text!r} is none of {', '.join(words)}"
            raise ValueError(message)
        return text

    return read


_COMMON: dict[str, tuple[str, Callable[[str], object]]] = {
    "com.docker.network.driver.mtu": ("mtu", _mtu),
    "com.docker.network.container_iface_prefix": ("prefix", _prefix),
}

_BRIDGE: dict[str, tuple[str, Callable[[str], object]]] = {
    **_COMMON,
    "com.docker.network.bridge.name": ("name", _link),
    "com.docker.network.bridge.mtu": ("mtu", _mtu),
    "com.docker.network.bridge.enable_icc": ("allows_neighbours", _flag),
    "com.docker.network.bridge.enable_ip_masquerade": ("masquerades", _flag),
    "com.docker.network.bridge.host_binding_ipv4": ("host_binding", _address(4)),
    "com.docker.network.bridge.gateway_mode_ipv4": ("gateway4", _gateway),
    "com.docker.network.bridge.gateway_mode_ipv6": ("gateway6", _gateway),
    "com.docker.network.host_ipv4": ("source4", _address(4)),
    "com.docker.network.host_ipv6": ("source6", _address(6)),
}

_MACVLAN: dict[str, tuple[str, Callable[[str], object]]] = {
    **_COMMON,
    "parent": ("parent", _link),
    "macvlan_mode": ("mode", _one_of("bridge", "private", "vepa", "passthru")),
}

_IPVLAN: dict[str, tuple[str, Callable[[str], object]]] = {
    **_COMMON,
    "parent": ("parent", _link),
    "ipvlan_mode": ("mode", _one_of("l2", "l3", "l3s")),
    "ipvlan_flag": ("flag", _one_of("bridge", "private", "vepa")),
}

_MEANINGLESS = frozenset(
    {
        "com.docker.network.bridge.default_bridge",
        "com.docker.network.enable_ipv4",
        "com.docker.network.enable_ipv6",
    }
)
"""What Docker writes on its own networks, or says elsewhere in the file (``enable_ipv4``)."""
